/*
 * queue/id - the name of a message.
 */
#include "queue/id.h"

#define LONG_DIGITS "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

enum {
	SHORT_TIME_DIGITS = 5,
	LONG_SECONDS_DIGITS = 6, /* at least */
	LONG_MICROSECONDS_DIGITS = 4,
	LONG_BASE = 52,  /* of the times */
	SERIAL_BASE = 51, /* without z, which separates */
	MICROSECONDS = 1000000,
};

/* `value` with at least `width` digits. */
static void format_digits(struct buf *out, uint64_t value, unsigned base,
	int width)
{
	char digits[64];
	size_t at = sizeof(digits);

	while (value > 0 || width > 0) {
		digits[--at] = LONG_DIGITS[value % base];
		value /= base;
		width--;
	}
	buf_add(out, str_of(digits + at, sizeof(digits) - at));
}

void queue_id_format(struct buf *out, uint64_t serial, int64_t wall_us,
	bool is_long)
{
	uint64_t us = wall_us < 0 ? 0 : (uint64_t)wall_us;

	if (!is_long) {
		buf_fmt(out, "%05X%jX", (unsigned)(us % MICROSECONDS),
			(uintmax_t)serial);
		return;
	}
	format_digits(out, us / MICROSECONDS, LONG_BASE, LONG_SECONDS_DIGITS);
	format_digits(out, us % MICROSECONDS, LONG_BASE,
		LONG_MICROSECONDS_DIGITS);
	buf_char(out, 'z');
	format_digits(out, serial, SERIAL_BASE, 1);
}

struct str queue_id_text(struct arena *arena, uint64_t serial, int64_t wall_us,
	bool is_long)
{
	struct buf text = BUF_IN(arena);

	queue_id_format(&text, serial, wall_us, is_long);
	return buf_str(&text);
}

static bool take_value(struct str in, const char *digits, unsigned base,
	uint64_t *value)
{
	uint64_t total = 0;

	if (in.len == 0)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		const char *digit = in.p[i] ? strchr(digits, in.p[i]) : NULL;

		if (!digit || digit - digits >= (ptrdiff_t)base ||
			__builtin_mul_overflow(total, base, &total) ||
			__builtin_add_overflow(
				total, (uint64_t)(digit - digits), &total))
			return false;
	}
	*value = total;
	return true;
}

bool queue_id_is_long(struct str text)
{
	return memchr(text.p, 'z', text.len) != NULL;
}

static bool parse_long(struct str text, uint64_t *serial)
{
	/* z is a digit of the times too, but not of the serial. */
	const char *z = memrchr(text.p, 'z', text.len);
	struct str times = str_first(text, (size_t)(z - text.p));
	uint64_t us, s;

	if (times.len < LONG_SECONDS_DIGITS + LONG_MICROSECONDS_DIGITS)
		return false;
	return take_value(str_first(times, times.len -
				LONG_MICROSECONDS_DIGITS),
		       LONG_DIGITS, LONG_BASE, &s) &&
		take_value(str_skip(times, times.len -
				LONG_MICROSECONDS_DIGITS),
			LONG_DIGITS, LONG_BASE, &us) &&
		us < MICROSECONDS &&
		take_value(str_skip(text, times.len + 1), LONG_DIGITS,
			SERIAL_BASE, serial);
}

bool queue_id_parse(struct str text, uint64_t *serial)
{
	uint64_t us;

	if (text.len <= SHORT_TIME_DIGITS || text.len > QUEUE_ID_MOST)
		return false;
	if (queue_id_is_long(text))
		return parse_long(text, serial);
	return take_value(str_first(text, SHORT_TIME_DIGITS),
		       "0123456789ABCDEF", 16, &us) &&
		us < MICROSECONDS &&
		take_value(str_skip(text, SHORT_TIME_DIGITS),
			"0123456789ABCDEF", 16, serial);
}
