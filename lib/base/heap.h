/*
 * base/heap - a binary heap of elements ordered by a 64-bit key, smallest
 * first; each element knows its place, so that it can be removed or moved.
 *
 * Memory   heap; elements belong to the caller
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "base/base.h"

struct heap_link {
	int64_t key;
	size_t place; /* 1-based; 0: in no heap */
};

struct heap {
	struct heap_link **links; /* zeroed: empty */
	size_t count, capacity;
};

void heap_free(struct heap *heap);
/* Insert, or move if it is in the heap already. */
void heap_put(struct heap *heap, struct heap_link *link, int64_t key);
/* Fine for a link in no heap. */
void heap_remove(struct heap *heap, struct heap_link *link);

static inline struct heap_link *heap_first(const struct heap *heap)
{
	return heap->count ? heap->links[0] : NULL;
}

#endif
