/*
 * io/sanitizer - tells AddressSanitizer and valgrind which stack is in use,
 * and ThreadSanitizer which fiber runs; nothing where none is there.
 */
#ifndef IO_SANITIZER_H
#define IO_SANITIZER_H

#include "base/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define IO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IO_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define IO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IO_TSAN 1
#endif
#endif

#if defined(IO_ASAN)

#define SANITIZER_IS_HERE true /* what is freed must look freed */

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

/* before: where the stack that is left keeps its fake frames; NULL: it ends. */
static inline void sanitizer_leave(void **before, const void *base, size_t len)
{
	__sanitizer_start_switch_fiber(before, base, len);
}

static inline void sanitizer_enter(void *before, const void **old_base,
	size_t *old_len)
{
	__sanitizer_finish_switch_fiber(before, old_base, old_len);
}

static inline void sanitizer_clear(const void *base, size_t len)
{
	__asan_unpoison_memory_region(base, len);
}

#else

#define SANITIZER_IS_HERE false

static inline void sanitizer_leave(void **before, const void *base, size_t len)
{
	(void)before, (void)base, (void)len;
}

static inline void sanitizer_enter(void *before, const void **old_base,
	size_t *old_len)
{
	(void)before, (void)old_base, (void)old_len;
}

static inline void sanitizer_clear(const void *base, size_t len)
{
	(void)base, (void)len;
}

#endif

/*
 * ThreadSanitizer looks no longer at a child that was forked where there was
 * more than one thread, and a fiber that it knows counts as one. So it is told
 * of fibers only where there are helper threads: parents have none, and their
 * children start theirs afterwards. All other fibers are one to it; the frames
 * that it names of them may be those of another.
 */
#if defined(IO_TSAN)

#include <sanitizer/tsan_interface.h>

/* For functions that are entered in one fiber and left in another. */
#define SANITIZER_SWITCHES __attribute__((no_sanitize("thread")))

static inline void *sanitizer_fiber_new(void)
{
	return __tsan_create_fiber(0);
}

static inline void sanitizer_fiber_free(void *fiber)
{
	if (fiber)
		__tsan_destroy_fiber(fiber);
}

static inline SANITIZER_SWITCHES void *sanitizer_fiber_self(void)
{
	return __tsan_get_current_fiber();
}

static inline SANITIZER_SWITCHES void sanitizer_fiber_switch(void *fiber)
{
	__tsan_switch_to_fiber(fiber, 0);
}

#else

#define SANITIZER_SWITCHES

static inline void *sanitizer_fiber_new(void)
{
	return NULL;
}

static inline void sanitizer_fiber_free(void *fiber)
{
	(void)fiber;
}

static inline void *sanitizer_fiber_self(void)
{
	return NULL;
}

static inline void sanitizer_fiber_switch(void *fiber)
{
	(void)fiber;
}

#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(from, to) ((void)(from), (void)(to), 0u)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#endif
