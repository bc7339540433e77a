/*
 * base/keyed - elements found by a 64-bit number that they hold: a pointer
 * each, and no copy of the key.
 *
 * Memory   heap; elements belong to the caller
 * Waits    no
 */
#ifndef BASE_KEYED_H
#define BASE_KEYED_H

#include "base/base.h"

struct keyed_link {
	uint64_t key;
};

struct keyed { /* zeroed: empty */
	struct keyed_link **slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
};

void keyed_free(struct keyed *keyed);
/* NULL: not there. */
struct keyed_link *keyed_find(const struct keyed *keyed, uint64_t key);
/* None of that key is there. */
void keyed_add(struct keyed *keyed, struct keyed_link *link);
/* Fine for one that is not there. */
void keyed_remove(struct keyed *keyed, const struct keyed_link *link);

/* All, in no order; nothing may be added or removed meanwhile:
 * for (size_t at = 0; (link = keyed_next(&keyed, &at));) ... */
struct keyed_link *keyed_next(const struct keyed *keyed, size_t *at);

#endif
