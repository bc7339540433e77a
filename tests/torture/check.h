/*
 * torture/check - is everything there that was promised?
 *
 * The ledger (torture/power_scenario.py describes its lines) says what was
 * promised, and when. check_queue and check_mail recover the queue with
 * lib/queue and look for each message; check_stores open a user's mail with
 * lib/mailbox.
 */
#ifndef TORTURE_CHECK_H
#define TORTURE_CHECK_H

#include "model.h"

enum {
	PROMISES_MOST = 1024,
	NEVER = -1,
};

enum promise_kind {
	PROMISE_MAIL,
	PROMISE_HOLD,
	PROMISE_DROP,
	PROMISE_GONE,
	PROMISE_BOX,
	PROMISE_THERE,
	PROMISE_LEAVE,
	PROMISE_LEFT,
	PROMISE_NOBOX,
};

struct promise {
	enum promise_kind kind;
	struct str fields[5];
	struct str store;      /* "mail/carol" */
	int64_t place;         /* in the log, NEVER */
	uint64_t when_us;
	struct str text;       /* of the message */
};

struct ledger {
	struct arena *arena;
	struct promise *promises;
	size_t count;
	struct table *texts; /* id -> what was sent */
};

struct ledger *ledger_read(const char *folder);
/* A process of this program sends these octets, starts, or ends. */
void ledger_moment(struct ledger *ledger, uint64_t place,
	const struct record *record);

/* A moment of the log, and what is there then. */
struct now {
	const struct ledger *ledger;
	int64_t place;
	uint64_t when_us;
	struct arena *arena;
};

/* Mail and queue in a state (which recovery changes). NULL: all is there. */
const char *check_mail(const struct now *now, struct model_tree *state);
/* The stores of the ledger, put into a directory of their own (`scratch`, on
 * a tmpfs) for lib/mailbox. NULL: all is there. */
const char *check_stores(const struct now *now, struct model_tree *state,
	const char *scratch);
/* The same in a directory of a real file system. */
const char *check_store_at(const struct now *now, struct str store,
	const char *path);

#endif
