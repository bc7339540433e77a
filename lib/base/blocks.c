#include "base/blocks.h"

#include <string.h>
#include <sys/mman.h>

enum {
	BLOCK = 64 * 1024, /* and so aligned: the block of an object is found */
};

struct block {
	struct list link; /* in blocks.room */
	void *free;       /* a chain of places that were used */
	size_t used, fresh; /* fresh: places from the front ever used */
};

void blocks_init(struct blocks *blocks, size_t size)
{
	*blocks = (struct blocks){ .size = size };
	list_init(&blocks->room);
}

static size_t places(const struct blocks *blocks)
{
	return (BLOCK - sizeof(struct block)) / blocks->size;
}

/* Twice as much, of which the aligned part is kept. */
static struct block *block_new(struct blocks *blocks)
{
	char *all = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;
	struct block *block;

	if (all == MAP_FAILED)
		starved("out of memory: a block of %d octets", BLOCK);
	before = (size_t)(-(uintptr_t)all) & (BLOCK - 1);
	if (before > 0)
		munmap(all, before);
	munmap(all + before + BLOCK, BLOCK - before);
	block = (void *)(all + before);
	list_append(&blocks->room, &block->link);
	blocks->count++;
	return block;
}

static void *place(const struct blocks *blocks, struct block *block, size_t at)
{
	return (char *)(block + 1) + at * blocks->size;
}

void *blocks_new(struct blocks *blocks)
{
	struct list *first = list_first(&blocks->room);
	struct block *block = first ? CONTAINER(first, struct block, link)
				    : block_new(blocks);
	void *object = block->free;

	if (object)
		memcpy(&block->free, object, sizeof(block->free));
	else
		object = place(blocks, block, block->fresh++);
	if (++block->used == places(blocks))
		list_remove(&block->link);
	return memset(object, 0, blocks->size);
}

void blocks_free(struct blocks *blocks, void *object)
{
	struct block *block =
		(void *)((uintptr_t)object & ~(uintptr_t)(BLOCK - 1));

	if (!object)
		return;
	if (block->used == places(blocks))
		list_append(&blocks->room, &block->link);
	memcpy(object, &block->free, sizeof(block->free));
	block->free = object;
	if (--block->used > 0 || blocks->room.next == blocks->room.prev)
		return;
	list_remove(&block->link);
	blocks->count--;
	munmap(block, BLOCK);
}
