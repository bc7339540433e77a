#include "base/heap.h"

#include <stdlib.h>

void heap_free(struct heap *heap)
{
	free(heap->links);
	*heap = (struct heap){ 0 };
}

static void place(struct heap *heap, size_t at, struct heap_link *link)
{
	heap->links[at] = link;
	link->place = at + 1;
}

static void up(struct heap *heap, size_t at)
{
	struct heap_link *link = heap->links[at];

	while (at > 0 && heap->links[(at - 1) / 2]->key > link->key) {
		place(heap, at, heap->links[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(heap, at, link);
}

static void down(struct heap *heap, size_t at)
{
	struct heap_link *link = heap->links[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < heap->count &&
			heap->links[child + 1]->key < heap->links[child]->key)
			child++;
		if (child >= heap->count ||
			heap->links[child]->key >= link->key)
			break;
		place(heap, at, heap->links[child]);
		at = child;
	}
	place(heap, at, link);
}

void heap_put(struct heap *heap, struct heap_link *link, int64_t key)
{
	heap_remove(heap, link);
	array_grow(&heap->links, &heap->capacity, heap->count + 1,
		sizeof(struct heap_link *));
	link->key = key;
	place(heap, heap->count++, link);
	up(heap, heap->count - 1);
}

void heap_remove(struct heap *heap, struct heap_link *link)
{
	size_t at = link->place;
	struct heap_link *last;

	if (at == 0)
		return;
	link->place = 0;
	last = heap->links[--heap->count];
	if (last == link)
		return;
	place(heap, at - 1, last);
	up(heap, at - 1);
	down(heap, last->place - 1);
}
