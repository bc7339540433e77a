/*
 * smtp/delivery - a delivery that qmgr gave us: the message, its recipients,
 * and what became of each, said to qmgr and to the log.
 *
 * Memory   the call's arena
 * Waits    delivery_recv, delivery_report, delivery_done
 */
#ifndef SMTP_DELIVERY_H
#define SMTP_DELIVERY_H

#include "base/span.h"
#include "base/status.h"
#include "dsn/action.h"
#include "ipc/messages.h"
#include "smtp/settings.h"

enum {
	DELIVERY_RECIPIENTS_MOST = 10000,
};

struct recipient {
	uint64_t number;
	struct str address, orig, orcpt;
	unsigned notify;
	bool is_done;     /* reported */
	bool is_accepted; /* in the transaction under way */
};

/* What went wrong, or well: what a recipient is told. */
struct outcome {
	struct status status;   /* code 0: nothing has happened yet */
	struct str diagnostic;  /* the server's reply; NONE: there was none */
	struct str mta;         /* the server's name; NONE: none was reached */
	bool is_site;           /* would be the same for any message there */
};

struct delivery {
	const struct settings *set;
	struct arena *arena;
	struct call *call;
	struct msg_deliver m;
	struct recipient *recipients;
	size_t count, left; /* left: not done */

	/* For the log: wall clock, us. */
	int64_t began_us, ready_us; /* ready: the session stands; 0: not yet */
	struct str relay;           /* "none" at first */
	unsigned uses;              /* of the connection */
};

/* False: qmgr went away, or nonsense. */
must_check bool delivery_recv(struct call *call, const struct settings *set,
	struct delivery *delivery);
/* Once per recipient: to qmgr and the log. */
void delivery_report(struct delivery *delivery, struct recipient *recipient,
	const struct outcome *outcome, enum dsn_action action);
/* All that are left. */
void delivery_report_all(struct delivery *delivery,
	const struct outcome *outcome);
/* The end; last: what the site did to us, code 0 if it was reached. */
void delivery_done(struct delivery *delivery, const struct outcome *last);

struct outcome outcome_f(struct arena *arena, int code, int subject,
	int detail, const char *format, ...) printf_like(5, 6);

/* Seconds with two significant digits, at most `decimals`: 0.03, 1.2, 12. */
void delay_format(struct buf *out, int64_t us, int decimals);

#endif
