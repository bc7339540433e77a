/*
 * base/blocks - many objects of one size, in blocks of their own.
 *
 * They cost no octet beside their own, lie between nothing else (which could
 * not go back to the system while they live), and a block whose objects are
 * all gone goes back, if there is room in another.
 *
 * Memory   blocks of 64 KiB from the system
 * Waits    no
 */
#ifndef BASE_BLOCKS_H
#define BASE_BLOCKS_H

#include "base/list.h"

struct blocks {
	size_t size;      /* of an object, a multiple of 8 */
	struct list room; /* blocks that have a free place */
	size_t count;     /* of blocks */
};

void blocks_init(struct blocks *blocks, size_t size);
/* Zeroed; never NULL. */
void *blocks_new(struct blocks *blocks) must_check;
/* NULL is fine. */
void blocks_free(struct blocks *blocks, void *object);

#endif
