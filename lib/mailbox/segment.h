/*
 * mailbox/segment - what the search index is made of, as rows of the index:
 * the state of a mailbox, and for each segment its uids, the header fields that
 * are kept, dictionaries and lists (mailbox/words.h). For text.c, find.c and
 * verify.c.
 *
 * Memory   the arena given; rows are borrowed from the transaction
 * Waits    no
 * Errors   false: it is damaged
 */
#ifndef MAILBOX_SEGMENT_H
#define MAILBOX_SEGMENT_H

#include "mailbox/text.h"
#include "mailbox/words.h"

enum {
	SEGMENT_MOST = 32768,       /* messages */
	SEGMENTS_MOST = 4096,
	SEGMENT_FIELDS_MOST = 8192, /* octets of a message's kept fields */
};

/* Kinds of rows of a segment; the dictionaries and lists are 0 to 3. */
enum {
	SEGMENT_UIDS = 8,
	SEGMENT_FIELDS = 9,
};

static inline uint32_t segment_kind(enum words_place place, bool is_list)
{
	return (uint32_t)place * 2 + is_list;
}

/* The state: this, then the segments from the oldest on. */
struct state {
	uint32_t next;  /* number of the next segment */
	uint32_t up_to; /* uids up to here are in it */
	uint32_t count;
};

struct segment {
	uint32_t number, messages;
};

struct segments {
	struct state is;
	struct segment *list;
};

must_check bool segments_read(struct index_txn *txn, uint32_t mailbox,
	struct arena *arena, struct segments *all);
must_check bool segments_write(struct index_txn *txn, uint32_t mailbox,
	const struct segments *all);

/*
 * The fields of a message: all values of each, folded, with LF behind each
 * value and NUL behind each field; a needle has neither (imap_needle's text
 * has no NUL, values are unfolded). Only NULs: they are too long, or have one
 * of them.
 */
void segment_fields_format(struct arena *arena, struct str header,
	struct buf *out);
/* They stand one after the other in their row, with their length before. */
bool segment_fields_take(struct str *rows, struct str *fields);
void segment_fields_add(struct buf *rows, struct str fields);

/* The words of a message for the one that began, and its kept fields. */
void segment_take_message(struct arena *arena, struct str message,
	struct words_builder *words, struct buf *fields);

/* ---- for verify.c ---- */

/* What stands in the index about each message: sums over words and fields. */
struct segment_sums {
	uint32_t *uids; /* ascending */
	uint64_t *sums;
	size_t count, uid_capacity, sum_capacity;
	uint32_t up_to; /* uids that are taken up */
};

must_check bool segment_sums_read(struct index_txn *txn, uint32_t mailbox,
	struct arena *arena, struct segment_sums *sums);
/* The same of a message. */
uint64_t segment_sum_of(struct arena *arena, struct str message);

#endif
