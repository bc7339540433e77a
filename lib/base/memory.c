#include "base/memory.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

enum {
	KEPT = 8 * 1024 * 1024,  /* at most, that nobody uses */
	STEP = 128 * 1024,       /* by which the heap grows at least */
	LARGE = 4 * 1024 * 1024, /* from here on a mapping of its own */
	LARGE_APART = 128 * 1024,
	PAGE = 4096,
};

void memory_keep(void)
{
	mallopt(M_TRIM_THRESHOLD, KEPT);
	mallopt(M_TOP_PAD, STEP);
	mallopt(M_MMAP_THRESHOLD, LARGE);
	mallopt(M_ARENA_MAX, 1); /* helper threads have none of their own */
}

void memory_return(void)
{
	malloc_trim(0);
}

void memory_apart_begin(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_APART);
}

void memory_apart_end(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE);
}

/* A system that has none says so, and nothing changes. */
void memory_fill(void *memory, size_t octets)
{
	size_t behind = (uintptr_t)memory % PAGE;

	if (octets >= LARGE)
		(void)!madvise((char *)memory - behind, octets + behind,
			MADV_HUGEPAGE);
}
