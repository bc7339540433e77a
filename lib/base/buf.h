/*
 * base/buf - octets that grow at the end. `format` functions append to one.
 *
 * Memory   in an arena (old memory stays there until its end), or on the heap
 *          (arena NULL; the owner calls buf_free)
 * Errors   over `limit` (0: none) nothing more is appended and `failed` is set
 * Waits    no
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"

struct buf {
	char *p;
	size_t len, cap;
	size_t limit;
	struct arena *arena;
	bool failed;
};

#define BUF_IN(arena_) ((struct buf){ .arena = (arena_) })
#define auto_buf __attribute__((cleanup(buf_free)))

/* Only for heap buffers; the buf is empty and usable afterwards. */
void buf_free(struct buf *buf);
/* Room for `more` octets at p + len; the caller then adds to len. */
must_check bool buf_room(struct buf *buf, size_t more);
void buf_add(struct buf *buf, struct str s);
/* The length of a literal is known when this is compiled. */
static inline void buf_text(struct buf *buf, const char *text)
{
	buf_add(buf, str_from(text));
}
void buf_char(struct buf *buf, char c);
void buf_fmt(struct buf *buf, const char *format, ...) printf_like(2, 3);
void buf_vfmt(struct buf *buf, const char *format, va_list args)
	printf_like(2, 0);
void buf_u64(struct buf *buf, uint64_t value);
/* Remove `len` octets at the front. */
void buf_drop(struct buf *buf, size_t len);

static inline void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

static inline struct str buf_str(const struct buf *buf)
{
	return str_of(buf->p ? buf->p : "", buf->len);
}

#endif
