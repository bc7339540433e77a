/*
 * dsn/report - the text of a delivery status notification.
 *
 * Source   RFC 3464 (delivery-status), RFC 6522 (multipart/report), RFC 3461
 *          6 (what may be told to whom), RFC 6533 (internationalized)
 * Memory   in the arena; the message's content is passed on in blocks
 * Waits    if `write` waits
 * Errors   false with errno: the content could not be read
 */
#ifndef DSN_REPORT_H
#define DSN_REPORT_H

#include "base/status.h"
#include "config/config.h"
#include "dsn/action.h"

enum dsn_kind { /* msg_bounce.kind */
	DSN_FAILURE,
	DSN_DELAY,
	DSN_SUCCESS,
	DSN_VERIFY, /* what a probe found */
	DSN_KINDS,
};

struct dsn_recipient {
	struct str address, orig; /* as rewritten, as received */
	struct str orcpt;         /* "rfc822;xtext", or NONE */
	struct status status;
	enum dsn_action action;
	struct str mta, diagnostic; /* may be NONE */
	int64_t attempt_us;       /* wall clock */
};

struct dsn_template;

struct dsn_report {
	const struct conf *conf;
	const struct dsn_template *template; /* of its kind */
	enum dsn_kind kind;
	struct str queue_id;        /* of the message */
	struct str own_id;          /* of the notification */
	struct str sender;          /* of the message */
	struct str to;              /* of the notification */
	struct str envid;           /* may be NONE */
	bool is_8bit, is_utf8;      /* the message */
	bool is_probe;              /* sendmail -bv: nothing was delivered */
	bool is_copy;               /* to postmaster: about somebody's mail */
	bool headers_only;
	int64_t arrival_us, retry_until_us, now_us;
	const struct dsn_recipient *recipients;
	size_t count;
	struct str header;          /* of the message, with its empty line */
	/* The next block of the whole message; empty: its end. */
	bool (*next)(void *context, struct str *octets);
	void *context;
};

/* The whole notification, header and body with LF line ends, in pieces. */
must_check bool dsn_report_write(struct arena *arena,
	const struct dsn_report *report,
	void (*write)(void *to, struct str octets), void *to);

/* "rfc822;bob+40example.org" -> "rfc822; bob@example.org"; NONE if it is not
 * of that form. */
struct str dsn_orcpt_text(struct arena *arena, struct str orcpt);

#endif
