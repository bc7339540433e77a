#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_free(struct buf *buf)
{
	if (!buf->arena)
		free(buf->p);
	buf->p = NULL;
	buf->len = buf->cap = 0;
	buf->failed = false;
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
	if (buf->arena)
		arena_grow(buf->arena, &buf->p, &buf->cap, need, 1);
	else
		array_grow(&buf->p, &buf->cap, need < 64 ? 64 : need, 1);
	return true;
}

void buf_add(struct buf *buf, struct str s)
{
	if (s.len == 0 || !buf_room(buf, s.len))
		return;
	memcpy(buf->p + buf->len, s.p, s.len);
	buf->len += s.len;
}

void buf_text(struct buf *buf, const char *text)
{
	buf_add(buf, str_from(text));
}

void buf_char(struct buf *buf, char c)
{
	buf_add(buf, str_of(&c, 1));
}

void buf_vfmt(struct buf *buf, const char *format, va_list args)
{
	size_t room = buf->cap - buf->len;
	va_list again;
	int len;

	/* Mostly there is room already, and once is enough. */
	va_copy(again, args);
	len = vsnprintf(room ? buf->p + buf->len : NULL, room, format, again);
	va_end(again);
	if (len < 0 || !buf_room(buf, (size_t)len + 1)) {
		buf->failed = true;
		return;
	}
	if ((size_t)len >= room)
		vsnprintf(buf->p + buf->len, (size_t)len + 1, format, args);
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
