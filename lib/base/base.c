#include "base/base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

void base_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

bool fd_stat(int fd, struct stat *st)
{
	return syscall(SYS_fstat, fd, st) == 0;
}

bool fd_write_all(int fd, const void *octets, size_t len)
{
	const char *at = octets, *end = at + len;

	while (at < end) {
		ssize_t put = write(fd, at, (size_t)(end - at));

		if (put < 0 && errno == EINTR)
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return false;
		at += put;
	}
	return true;
}

void base_free(void *pointer)
{
	void *memory;

	memcpy(&memory, pointer, sizeof(memory));
	free(memory);
}

static bool is_patient; /* set at the start */

void mem_be_patient(void)
{
	is_patient = true;
}

bool mem_is_awaited(unsigned tries)
{
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	if (!is_patient || tries > 600)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

/* Small ones come from malloc's cache of what was freed last, past which calloc
 * goes (glibc before 2.41): a tenth of the instructions. */
static void *zeroed(size_t count, size_t size)
{
	size_t octets;
	void *memory;

	if (__builtin_mul_overflow(count, size, &octets) ||
		octets > MEM_CACHED_MOST)
		return calloc(count, size);
	memory = malloc(octets);
	return memory ? memset(memory, 0, octets) : NULL;
}

void *mem_new(size_t count, size_t size)
{
	void *memory;
	unsigned tries = 0;

	do
		memory = zeroed(count ? count : 1, size ? size : 1);
	while (!memory && mem_is_awaited(++tries));
	if (!memory)
		starved("out of memory: %zu elements of %zu octets", count, size);
	return memory;
}

void array_grow(void *array_pointer, size_t *capacity, size_t need,
	size_t size)
{
	size_t wanted = *capacity ? *capacity : 8;
	size_t octets;
	void *memory, *larger;
	unsigned tries = 0;

	if (need <= *capacity)
		return;
	while (wanted < need)
		if (__builtin_mul_overflow(wanted, (size_t)2, &wanted))
			panic("array of %zu elements", need);
	if (__builtin_mul_overflow(wanted, size, &octets))
		panic("array of %zu elements", need);
	memcpy(&memory, array_pointer, sizeof(memory));
	if (!memory) {
		/* The kernel's pages are zero: they are not written twice. */
		memory = mem_new(wanted, size);
		memory_fill(memory, octets);
		memcpy(array_pointer, &memory, sizeof(memory));
		*capacity = wanted;
		return;
	}
	do
		larger = realloc(memory, octets);
	while (!larger && mem_is_awaited(++tries));
	memory = larger;
	if (!memory)
		starved("out of memory: array of %zu octets", octets);
	memset((char *)memory + *capacity * size, 0,
		octets - *capacity * size);
	memcpy(array_pointer, &memory, sizeof(memory));
	*capacity = wanted;
}

#if defined(__SANITIZE_THREAD__)
/* Daemons fork children that go on and make threads. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "die_after_fork=0:halt_on_error=1:abort_on_error=1:"
	       "report_signal_unsafe=0";
}
#elif defined(SANITIZED)
/* Daemons have an environment of their own and a sandbox in which leaks cannot
 * be looked for; a finding ends them by a signal that master reports. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=1";
}
#endif
