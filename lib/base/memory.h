/*
 * base/memory - what the C library's allocator keeps, and when it goes back to
 * the kernel.
 *
 * Waits    no
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/*
 * For a daemon: what a client took goes back to the heap and is taken by the
 * next one. To give it to the kernel in between costs calls, page faults and,
 * since helper threads run on other processors, an interrupt of those each
 * time.
 */
void memory_keep(void);
/* Give back what is not in use: when there is little to do, and in a child,
 * before it writes to what it shares with its parent. */
void memory_return(void);
/*
 * Between the two, large allocations have mappings of their own, of which only
 * those pages are there that are written to: for libraries that ask for much
 * and use little. In the heap calloc would write to all of it.
 */
void memory_apart_begin(void);
void memory_apart_end(void);
/* A large allocation that is about to be filled: in large pages, if the system
 * has them, for one page fault where there would be 512. */
void memory_fill(void *memory, size_t octets);

#endif
