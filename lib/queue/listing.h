/*
 * queue/listing - the queue as mailq(1) and postqueue -j show it, and in a raw
 * form: "m queue id arrival_us size expire sender", then for each recipient
 * "r address original reason", in xtext (RFC 3461 4) between blanks.
 *
 *	struct listing list = { .out = &buf, .is_json = ..., .long_ids = ... };
 *	for each: listing_begin, listing_recipient..., listing_end_message
 *	listing_end
 *
 * Memory   everything is appended to `out`, which the caller may empty between
 *          calls
 * Waits    no
 */
#ifndef QUEUE_LISTING_H
#define QUEUE_LISTING_H

#include "base/buf.h"

enum {
	LISTING_REASON_MOST = 1024,
};

struct listing {
	struct buf *out;
	bool is_json, long_ids;
	bool is_raw; /* for listing_take, by programs: see queue/look.h */
	/* private */
	size_t count, recipients;
	uint64_t octets;
	char reason[LISTING_REASON_MOST + 1]; /* the last one shown */
	int64_t time_of; /* wall clock, s */
	char time[32];   /* as shown; empty: none yet */
};

struct listed {
	struct str queue_name, queue_id, sender;
	int64_t arrival_us;
	uint64_t size;
	bool forced_expire;
};

void listing_begin(struct listing *list, const struct listed *message);
/* reason: of the delay; empty if none. Addresses in internal form. */
void listing_recipient(struct listing *list, struct str address,
	struct str orig, struct str reason);
void listing_end_message(struct listing *list);
/* The last line of the text form. */
void listing_end(struct listing *list);


/* A message as the raw form tells it. */
struct listed_recipient {
	struct str address, orig, reason;
};

struct listed_message {
	struct listed listed;
	struct listed_recipient *recipients;
	size_t recipient_count;
};

/* The next message of a whole listing in raw form; in the arena. False: there
 * is none, or it is malformed (then `in` is not empty). */
must_check bool listing_take(struct arena *arena, struct str *in,
	struct listed_message *message);

#endif
