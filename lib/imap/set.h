/*
 * imap/set - sequence sets: 1,3:5,9:*
 *
 * Source   RFC 3501 9 (sequence-set)
 * Memory   the arena given
 * Waits    no
 * Errors   false: malformed; `in` has not moved
 */
#ifndef IMAP_SET_H
#define IMAP_SET_H

#include "base/buf.h"

enum {
	IMAP_RANGES_MOST = 20000,
};

/* After imap_set_resolve: from <= to. Before: 0 stands for "*". */
struct imap_range {
	uint32_t from, to;
};

struct imap_set {
	struct imap_range *ranges;
	size_t count, capacity;
	bool is_saved; /* "$": what the last search saved, RFC 5182 */
};

must_check bool imap_set_take(struct arena *arena, struct str *in,
	struct imap_set *set);
/* Replace "*" by the largest number in use (0: none, then "*" matches
 * nothing but itself: 0), put the ranges in order and join them. */
void imap_set_resolve(struct imap_set *set, uint32_t largest);
/* Of a resolved set. */
bool imap_set_has(const struct imap_set *set, uint32_t number);
/* Add a number that is larger than all before (resolved sets only). */
void imap_set_add(struct arena *arena, struct imap_set *set, uint32_t number);
/* The same for from to to (nothing if from > to). */
void imap_set_add_range(struct arena *arena, struct imap_set *set,
	uint32_t from, uint32_t to);
/* "1,3:5". */
void imap_set_format(struct buf *out, const struct imap_set *set);

#endif
