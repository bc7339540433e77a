#include "base/print.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
	WIDTH_MOST = 1000,
	DIGITS_MOST = 24,
};

struct out {
	char *to;
	size_t room, len; /* len: of all, also of what had no room */
};

/* One conversion, as the format has it. */
struct conversion {
	char type, size; /* size: 0, 'h', 'H' (hh), 'l', 'q' (ll), 'z', 'j' */
	bool zero, left, limited; /* limited: ".*" */
	size_t width;
};

static inline void put(struct out *out, const char *p, size_t len)
{
	if (out->len < out->room) {
		size_t left = out->room - out->len;

		memcpy(out->to + out->len, p, len < left ? len : left);
	}
	out->len += len;
}

static void pad(struct out *out, char c, size_t count)
{
	for (; count > 0; count--)
		put(out, &c, 1);
}

static char take_size(const char **at)
{
	char c = **at;

	if (c != 'h' && c != 'l' && c != 'z' && c != 'j')
		return 0;
	if (*++*at != c || (c != 'h' && c != 'l'))
		return c;
	++*at;
	return c == 'h' ? 'H' : 'q';
}

/* What stands after '%'; false: that is for vsnprintf. */
static bool take_conversion(const char **at, struct conversion *c)
{
	*c = (struct conversion){ 0 };
	for (; **at == '0' || **at == '-'; ++*at) {
		c->zero = c->zero || **at == '0';
		c->left = c->left || **at == '-';
	}
	for (; **at >= '0' && **at <= '9' && c->width < WIDTH_MOST; ++*at)
		c->width = c->width * 10 + (size_t)(**at - '0');
	if ((*at)[0] == '.' && (*at)[1] == '*') {
		c->limited = true;
		*at += 2;
	}
	c->size = take_size(at);
	c->type = **at;
	if (c->type == '\0')
		return false;
	++*at;
	if (c->type == 'd' || c->type == 'i' || c->type == 'u' ||
		c->type == 'x' || c->type == 'X')
		return !c->limited;
	return c->size == 0 && !c->zero &&
		(c->type == 's' || (!c->limited && c->type == 'c') ||
			(c->type == '%' && (*at)[-2] == '%'));
}

static void put_padded(struct out *out, const struct conversion *c,
	const char *p, size_t len)
{
	size_t more = c->width > len ? c->width - len : 0;

	if (!c->left)
		pad(out, ' ', more);
	put(out, p, len);
	if (c->left)
		pad(out, ' ', more);
}

static void put_number(struct out *out, const struct conversion *c,
	uintmax_t value, bool is_negative)
{
	const char *digits = c->type == 'X' ? "0123456789ABCDEF"
					    : "0123456789abcdef";
	char text[DIGITS_MOST + 1];
	size_t at = sizeof(text);

	if (c->type == 'x' || c->type == 'X')
		for (; value > 15; value >>= 4)
			text[--at] = digits[value & 15];
	else
		for (; value > 9; value /= 10)
			text[--at] = digits[value % 10];
	text[--at] = digits[value];
	if (c->zero && !c->left) {
		size_t len = sizeof(text) - at + is_negative;

		if (is_negative)
			put(out, "-", 1);
		if (c->width > len)
			pad(out, '0', c->width - len);
		put(out, text + at, sizeof(text) - at);
		return;
	}
	if (is_negative)
		text[--at] = '-';
	put_padded(out, c, text + at, sizeof(text) - at);
}

/* A va_list by itself cannot be handed on and be taken from. */
struct arguments {
	va_list list;
};

static intmax_t take_signed(struct arguments *args, char size)
{
	switch (size) {
	case 'H':
		return (signed char)va_arg(args->list, int);
	case 'h':
		return (short)va_arg(args->list, int);
	case 'q':
		return va_arg(args->list, long long);
	case 'j':
		return va_arg(args->list, intmax_t);
	case 'l':
	case 'z':
		return va_arg(args->list, long);
	default:
		return va_arg(args->list, int);
	}
}

static uintmax_t take_unsigned(struct arguments *args, char size)
{
	switch (size) {
	case 'H':
		return (unsigned char)va_arg(args->list, unsigned);
	case 'h':
		return (unsigned short)va_arg(args->list, unsigned);
	case 'q':
		return va_arg(args->list, unsigned long long);
	case 'j':
		return va_arg(args->list, uintmax_t);
	case 'l':
	case 'z':
		return va_arg(args->list, unsigned long);
	default:
		return va_arg(args->list, unsigned);
	}
}

static void put_text(struct out *out, const struct conversion *c,
	struct arguments *args)
{
	static const char nothing[] = "(null)";
	int most = c->limited ? va_arg(args->list, int) : -1;
	const char *p = va_arg(args->list, const char *);

	if (!p) /* as the library: in whole or not at all */
		p = most < 0 || most >= (int)strlen(nothing) ? nothing : "";
	put_padded(out, c, p, most < 0 ? strlen(p) : strnlen(p, (size_t)most));
}

static void convert(struct out *out, const struct conversion *c,
	struct arguments *args)
{
	char octet;
	intmax_t value;

	switch (c->type) {
	case 's':
		put_text(out, c, args);
		return;
	case 'd':
	case 'i':
		value = take_signed(args, c->size);
		put_number(out, c, value < 0 ? -(uintmax_t)value :
					       (uintmax_t)value, value < 0);
		return;
	case '%':
		put(out, "%", 1);
		return;
	case 'c':
		octet = (char)va_arg(args->list, int);
		put_padded(out, c, &octet, 1);
		return;
	default:
		put_number(out, c, take_unsigned(args, c->size), false);
	}
}

/* "%.*s", which is most of what is printed. */
static void put_slice(struct out *out, struct arguments *args)
{
	static const struct conversion slice = { .type = 's', .limited = true };

	put_text(out, &slice, args);
}

/* False: there is a conversion that is none of ours. */
static bool print(struct out *out, const char *format, struct arguments *args)
{
	struct conversion c;
	const char *next;

	/* What is between two of them is short: a call would take longer. */
	for (;; format = next) {
		for (next = format; *next != '%' && *next != '\0';)
			next++;
		put(out, format, (size_t)(next - format));
		if (*next == '\0')
			return true;
		next++;
		if (next[0] == '.' && next[1] == '*' && next[2] == 's') {
			next += 3;
			put_slice(out, args);
			continue;
		}
		if (!take_conversion(&next, &c))
			return false;
		convert(out, &c, args);
	}
}

int print_v(char *to, size_t room, const char *format, va_list args)
{
	struct out out = { .to = to, .room = room };
	struct arguments again;
	bool is_ours;

	va_copy(again.list, args);
	is_ours = print(&out, format, &again);
	va_end(again.list);
	if (!is_ours)
		return vsnprintf(to, room, format, args);
	if (out.len > INT_MAX)
		return -1;
	if (room > 0)
		to[out.len < room ? out.len : room - 1] = '\0';
	return (int)out.len;
}

int print_f(char *to, size_t room, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = print_v(to, room, format, args);
	va_end(args);
	return len;
}
