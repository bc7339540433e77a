/*
 * torture/ledger - what was promised, and when (torture/power_scenario.py
 * describes the lines).
 */
#ifndef TORTURE_LEDGER_H
#define TORTURE_LEDGER_H

#include "base/arena.h"
#include "base/str.h"
#include "record.h"

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
	PROMISE_DONE,
	PROMISE_RELEASE,
	PROMISE_FREE,
	PROMISE_EXPIRED,
	PROMISE_TOLD,
	PROMISE_MADE,
	PROMISE_UNMADE,
	PROMISE_NOTE,
};

struct promise {
	enum promise_kind kind;
	struct str fields[5];
	struct str store; /* "mail/carol" */
	int64_t place;    /* in the log, NEVER */
	uint64_t when_us;
	struct str text; /* of the message */
};

struct ledger {
	struct arena *arena;
	struct promise *promises;
	size_t count;
	struct table *texts; /* id -> what was sent */
};

struct ledger *ledger_read(const char *folder);
/* A process of this program sends these octets, starts, or ends. */
void ledger_moment(
	struct ledger *ledger, uint64_t place, const struct record *record);

/* A moment of the log, and what is there then. */
struct now {
	const struct ledger *ledger;
	int64_t place;
	uint64_t when_us;
	struct arena *arena;
};

bool ledger_is_made(const struct now *now, const struct promise *p);
/* Was this said of the same thing (its first field) by now? */
bool ledger_is_said(const struct now *now, enum promise_kind kind,
	struct str store, struct str what);
/* Milliseconds of a field have passed since the promise. */
bool ledger_is_due(
	const struct now *now, const struct promise *p, struct str ms);
uint64_t ledger_number(struct str text);

/* The whole of what was sent stands there, from its first line on. */
bool text_is_in(struct str octets, struct str text);
/* A report about it, with its end. */
bool text_is_reported_in(struct str octets, struct str text);
/* What was sent, of a message that tells its name in its head; NULL: it does
 * not, or is a report. */
const struct str *text_named_in(const struct ledger *ledger, struct str octets);

#endif
