/*
 * base/arena - memory that belongs to a span of time and goes all at once.
 *
 * An arena lives as long as a process, a client, a message. A child goes with
 * its parent at the latest and counts against the parent's ceiling. Allocation
 * never fails: no memory ends the process; an arena over its ceiling still
 * allocates but says so (arena_is_over), upon which streams that belong to it
 * refuse every further operation: the connection ends, not the process.
 *
 * Waits    no
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

#include <stdarg.h>

struct arena;

/* ceiling in octets, 0: none. */
struct arena *arena_new(size_t ceiling);
/* Of which there are many, that hold little and live long: the first block has
 * the octets that are known to be needed, 0: few; what follows is small too. */
struct arena *arena_new_small(size_t first);
struct arena *arena_child(struct arena *parent);
/* Everything that was allocated, and all children. NULL is fine. */
void arena_free(struct arena *arena);
/* In a forked child, of what is its parent's: only the memory goes, nothing is
 * ended. */
void arena_abandon(struct arena *arena);
/* The same, but the arena itself stays for use; keeps one block. */
void arena_reset(struct arena *arena);
#define auto_arena __attribute__((cleanup(arena_cleanup)))
void arena_cleanup(struct arena **arena);

bool arena_is_over(const struct arena *arena);
size_t arena_octets(const struct arena *arena);

/* Zeroed, aligned for any type. array: count * size checked. */
void *arena_alloc(struct arena *arena, size_t octets)
	__attribute__((malloc, returns_nonnull, alloc_size(2)));
void *arena_array(struct arena *arena, size_t count, size_t size)
	__attribute__((malloc, returns_nonnull, alloc_size(2, 3)));
/* Octets that are left over from anybody: to be written before they are read. */
char *arena_octets_new(struct arena *arena, size_t octets)
	__attribute__((malloc, returns_nonnull, alloc_size(2)));
/* Octets that were the last to be given out become `more`, where they are.
 * False: something came behind them, or there is no room. */
must_check bool arena_stretch(struct arena *arena, const char *memory,
	size_t octets, size_t more);
#define arena_new_of(arena, type) ((type *)arena_alloc(arena, sizeof(type)))

/* A copy of `s` (a NUL stands after it, not counted). NONE stays NONE. */
struct str arena_copy(struct arena *arena, struct str s);
char *arena_cstr(struct arena *arena, struct str s);
struct str arena_lower(struct arena *arena, struct str s);
struct str arena_fmt(struct arena *arena, const char *format, ...)
	printf_like(2, 3);
struct str arena_vfmt(struct arena *arena, const char *format, va_list args)
	printf_like(2, 0);
/* a, then b. */
struct str arena_join(struct arena *arena, struct str a, struct str b);

/* Call when(context) when the arena is freed or reset, newest first. */
void arena_on_free(struct arena *arena, void (*when)(void *context),
	void *context);

/*
 * Grow an array that lives in an arena: room for `need` elements; the old
 * memory stays in the arena until its end.
 */
void arena_grow(struct arena *arena, void *array_pointer, size_t *capacity,
	size_t need, size_t size);

#endif
