/*
 * base/base - the few macros that everything uses.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define must_check __attribute__((warn_unused_result))
#define printf_like(at, first) \
	__attribute__((format(printf, at, first)))
/* char line[4096] left_as_is: a buffer on the stack that is written before it is
 * read costs nothing. (All others are zeroed: -ftrivial-auto-var-init.) */
#define left_as_is __attribute__((uninitialized))
#define CONTAINER(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/* auto_close int fd = open(...): closed when the block is left; -1 is fine. */
#define auto_close __attribute__((cleanup(base_close)))
/* auto_free char *p = ...: free()d when the block is left. */
#define auto_free __attribute__((cleanup(base_free)))

void base_close(int *fd);
void base_free(void *pointer);

/* Take the descriptor out of an auto_close variable, leaving -1. */
static inline int fd_keep(int *fd)
{
	int kept = *fd;

	*fd = -1;
	return kept;
}

/*
 * fstat(2) by its own system call: the C library's goes through newfstatat,
 * which profiles that may look at no path refuse.
 */
struct stat;
must_check bool fd_stat(int fd, struct stat *st);
/* All of the octets, with write(2), whatever interrupts it. False: errno. Not
 * for descriptors that may have to wait (see io/stream). */
must_check bool fd_write_all(int fd, const void *octets, size_t len);

/*
 * A broken invariant: logs the text with severity panic, then aborts. Nothing
 * is cleaned up; master starts another process.
 */
_Noreturn void panic(const char *format, ...) printf_like(1, 2);
/*
 * The machine has no more of something that this process cannot do without
 * (memory, descriptors): logs the text with severity fatal and ends with
 * status 1, at once: no exit handlers run. master starts another process.
 */
_Noreturn void starved(const char *format, ...) printf_like(1, 2);

/*
 * For a process that must not end, called once at its start: where there is no
 * memory it sleeps, and looks again, for some 60 seconds.
 */
void mem_be_patient(void);
/* Inside lib/base: is an allocation that failed `tries` times to be tried once
 * more? It may have slept. */
must_check bool mem_is_awaited(unsigned tries);

enum {
	MEM_CACHED_MOST = 1032, /* octets: malloc's cache has none larger */
};

/* Heap memory that is never NULL: out of memory ends the process (starved). */
void *mem_new(size_t count, size_t size) must_check
	__attribute__((malloc, returns_nonnull, alloc_size(1, 2)));

/*
 * Make room for `need` elements of `size` octets in a heap array, doubling
 * *capacity; new room is zeroed. Counts that overflow end the process.
 */
void array_grow(void *array_pointer, size_t *capacity, size_t need,
	size_t size);

#endif
