/*
 * io/sanitizer - tells AddressSanitizer and valgrind which stack is in use;
 * nothing where neither is there.
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

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(from, to) ((void)(from), (void)(to), 0u)
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#endif
