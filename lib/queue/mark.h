/*
 * queue/mark - what became of a message, as self-checking records that are
 * only ever appended: in journal/SEGMENT.marks for messages in slots, at the
 * end of the message's own file in deferred/ and hold/.
 *
 * A record begins at a multiple of eight octets. Records that a power cut has
 * damaged are skipped, up to the next that is whole; so each says all that it
 * means by itself.
 *
 * Memory   parsed slices point into the octets given
 * Waits    no
 */
#ifndef QUEUE_MARK_H
#define QUEUE_MARK_H

#include "base/buf.h"

enum mark_kind {
	MARK_DONE = 1, /* the recipient needs nothing more */
	MARK_OVER,     /* the message needs nothing more: slot may be free */
	MARK_STATUS,   /* the recipient was deferred, and why */
	MARK_NEXT,     /* wall_us: next attempt not before; code: attempts */
	MARK_WARNED,   /* the delay warning was sent */
	MARK_EXPIRE,   /* postsuper -e: to be returned at once */
	MARK_KINDS_END,
};

struct mark {
	enum mark_kind kind;
	uint64_t serial;    /* of the message */
	uint32_t slot;      /* in the segment; 0 in a file */
	uint32_t recipient; /* index in the envelope */
	int64_t wall_us;    /* when; or see MARK_NEXT */
	uint32_t code, subject, detail; /* MARK_STATUS */
	struct str text, mta, diagnostic; /* MARK_STATUS */
};

enum {
	MARK_TEXT_MOST = 4096, /* longer texts are cut */
};

void mark_format(struct buf *out, const struct mark *mark);
/*
 * The next whole record; *in starts at a multiple of eight octets of the
 * file. False: there is none up to the end. `damaged` (may be NULL) counts
 * octets that were skipped.
 */
must_check bool mark_take(struct str *in, struct mark *mark,
	uint64_t *damaged);

static inline uint64_t mark_align(uint64_t octets)
{
	return (octets + 7) & ~(uint64_t)7;
}

#endif
