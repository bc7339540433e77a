/*
 * queue/listing - the queue as mailq(1) and postqueue -j show it.
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
	/* private */
	size_t count, recipients;
	uint64_t octets;
	char reason[LISTING_REASON_MOST + 1]; /* the last one shown */
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

#endif
