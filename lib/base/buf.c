#include "base/buf.h"

#include "base/print.h"

#include <stdlib.h>

enum {
	CAP_FIRST = 256, /* on the heap */
};

void buf_free(struct buf *buf)
{
	if (!buf->arena)
		free(buf->p);
	buf->p = NULL;
	buf->len = buf->cap = 0;
	buf->failed = false;
}

/* The octets that it gains stay as they are: they are written before they
 * count. */
static void grow(struct buf *buf, size_t need)
{
	size_t cap = buf->cap ? buf->cap : buf->arena ? 8 : CAP_FIRST;
	char *memory;
	unsigned tries = 0;

	while (cap < need)
		if (__builtin_mul_overflow(cap, (size_t)2, &cap))
			panic("a buffer of %zu octets", need);
	if (buf->arena && buf->cap > 0 &&
		arena_stretch(buf->arena, buf->p, buf->cap, cap)) {
		memory = buf->p;
	} else if (buf->arena) {
		memory = arena_octets_new(buf->arena, cap);
		if (buf->len > 0)
			memcpy(memory, buf->p, buf->len);
	} else {
		do
			memory = realloc(buf->p, cap);
		while (!memory && mem_is_awaited(++tries));
		if (!memory)
			starved("out of memory: a buffer of %zu octets", cap);
	}
	buf->p = memory;
	buf->cap = cap;
}

bool buf_room(struct buf *buf, size_t more)
{
	size_t need;

	if (buf->failed || __builtin_add_overflow(buf->len, more, &need) ||
		(buf->limit && need > buf->limit)) {
		buf->failed = true;
		return false;
	}
	if (need <= buf->cap)
		return true;
	grow(buf, need);
	return true;
}

/* What nearly every call finds. */
static inline bool has_room(const struct buf *buf, size_t more)
{
	return more <= buf->cap - buf->len && !buf->failed &&
		(!buf->limit || more <= buf->limit - buf->len);
}

void buf_add(struct buf *buf, struct str s)
{
	if (s.len == 0 || (!has_room(buf, s.len) && !buf_room(buf, s.len)))
		return;
	memcpy(buf->p + buf->len, s.p, s.len);
	buf->len += s.len;
}

void buf_char(struct buf *buf, char c)
{
	if (has_room(buf, 1) || buf_room(buf, 1))
		buf->p[buf->len++] = c;
}

void buf_vfmt(struct buf *buf, const char *format, va_list args)
{
	size_t room = buf->cap - buf->len;
	va_list again;
	int len;

	/* Mostly there is room already, and once is enough. */
	va_copy(again, args);
	len = print_v(room ? buf->p + buf->len : NULL, room, format, again);
	va_end(again);
	if (len < 0 || !buf_room(buf, (size_t)len + 1)) {
		buf->failed = true;
		return;
	}
	if ((size_t)len >= room)
		print_v(buf->p + buf->len, (size_t)len + 1, format, args);
	buf->len += (size_t)len;
}

void buf_fmt(struct buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vfmt(buf, format, args);
	va_end(args);
}

void buf_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	buf_add(buf, str_of(digits + at, sizeof(digits) - at));
}

void buf_drop(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->p, buf->p + len, buf->len - len);
	buf->len -= len;
}
