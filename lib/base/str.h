/*
 * base/str - slices: runs of octets that somebody else owns.
 *
 * Memory   a slice is borrowed; nothing here allocates
 * Waits    no
 *
 * `const char *` is text that we wrote ourselves; `struct str` is text that
 * came from outside. `take` reads from the front of a slice and advances it.
 * Comparison "without case" folds ASCII letters only.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/base.h"

#include <string.h>

struct str {
	const char *p; /* no NUL at its end; NULL: no value at all */
	size_t len;
};

#define STR_NONE ((struct str){ NULL, 0 })
#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
/* For printf: "%.*s", STR_ARG(s); the argument is evaluated twice. */
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_of(const void *p, size_t len)
{
	return (struct str){ (const char *)p, len };
}

static inline struct str str_from(const char *text)
{
	return text ? str_of(text, strlen(text)) : STR_NONE;
}

static inline bool str_is_none(struct str s)
{
	return s.p == NULL;
}

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b);
bool str_is(struct str a, const char *text);
bool str_is_nocase(struct str a, const char *text);
/* <0, 0, >0 by octets, shorter first. */
int str_cmp(struct str a, struct str b);
int str_cmp_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_ends_nocase(struct str s, struct str suffix);

/* The part from `from` (clamped) to the end, and the first `len` octets. */
static inline struct str str_skip(struct str s, size_t from)
{
	if (from > s.len)
		from = s.len;
	return str_of(s.p ? s.p + from : NULL, s.len - from);
}
static inline struct str str_first(struct str s, size_t len)
{
	return str_of(s.p, len < s.len ? len : s.len);
}
/* Without blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/* Position of the first / last such octet or text; SIZE_MAX: not there. */
size_t str_find_char(struct str s, char c);
size_t str_rfind_char(struct str s, char c);
size_t str_find(struct str s, struct str what);
size_t str_find_nocase(struct str s, struct str what);

/* True and `c` removed if it is the first octet. */
bool str_take_char(struct str *in, char c);
/* True and `prefix` removed if `in` starts with it (without case: _nocase). */
bool str_take_prefix(struct str *in, struct str prefix);
bool str_take_prefix_nocase(struct str *in, struct str prefix);
/* The longest run at the front for which is(octet) holds; may be empty. */
struct str str_take_while(struct str *in, bool (*is)(unsigned char octet));
/* What stands before `c`; `c` itself is taken too. All, if `c` is not there. */
struct str str_take_until(struct str *in, char c);
/* The first word: leading blanks skipped, ends at the next blank (taken). */
struct str str_take_word(struct str *in);
/* The next element of a list that is separated by octets of `separators`;
 * empty elements are skipped; false at the end. */
bool str_take_item(struct str *in, const char *separators, struct str *item);
/* A line without its LF or CRLF; false when nothing is left. */
bool str_take_line(struct str *in, struct str *line);

/*
 * Decimal digits only, all of `s`, at most `max`. False otherwise (and *value
 * is untouched). take: from the front, at least one digit.
 */
must_check bool str_parse_u64(struct str s, uint64_t max, uint64_t *value);
must_check bool str_take_u64(struct str *in, uint64_t max, uint64_t *value);
must_check bool str_parse_i64(struct str s, int64_t min, int64_t max,
	int64_t *value);

/* True if all octets are well-formed UTF-8 (RFC 3629, no surrogates). */
bool str_is_utf8(struct str s);
bool str_is_ascii(struct str s);

/* SipHash-1-3 keyed per process: for hash tables of foreign keys. */
uint64_t str_hash(struct str s);
uint64_t str_hash_nocase(struct str s);

static inline unsigned char ascii_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

static inline unsigned char ascii_upper(unsigned char c)
{
	return c >= 'a' && c <= 'z' ? (unsigned char)(c & ~0x20) : c;
}

static inline bool ascii_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(unsigned char c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static inline bool ascii_is_alnum(unsigned char c)
{
	return ascii_is_digit(c) || ascii_is_alpha(c);
}

static inline bool ascii_is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline bool ascii_is_print(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* 0 to 15, or -1. */
int ascii_hex(unsigned char c);

#endif
