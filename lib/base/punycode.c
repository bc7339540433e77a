#include "base/punycode.h"

#include "base/buf.h"

/* RFC 3492 5. */
enum {
	BASE = 36,
	TMIN = 1,
	TMAX = 26,
	SKEW = 38,
	DAMP = 700,
	INITIAL_BIAS = 72,
	INITIAL_N = 128,
	LABEL_MOST = 63,
};

/* The next code point; the text is known to be UTF-8. */
static uint32_t take_point(struct str *in)
{
	unsigned char first = (unsigned char)in->p[0];
	size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t point = len == 1 ? first : first & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		point = point << 6 | ((unsigned char)in->p[i] & 0x3f);
	*in = str_skip(*in, len);
	return point;
}

/* 6.1 */
static uint32_t adapt(uint32_t delta, uint32_t points, bool is_first)
{
	uint32_t k = 0;

	delta = is_first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > ((BASE - TMIN) * TMAX) / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static char digit_of(uint32_t value)
{
	return (char)(value < 26 ? 'a' + value : '0' + (value - 26));
}

/* A delta as a variable-length integer, 3.3. */
static void format_delta(struct buf *out, uint32_t delta, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = k <= bias ? TMIN :
			     k >= bias + TMAX ? TMAX : k - bias;

		if (delta < t)
			break;
		buf_char(out, digit_of(t + (delta - t) % (BASE - t)));
		delta = (delta - t) / (BASE - t);
	}
	buf_char(out, digit_of(delta));
}

static size_t parse_points(struct str label, uint32_t points[LABEL_MOST])
{
	size_t count = 0;

	while (label.len > 0) {
		uint32_t point = take_point(&label);

		if (count == LABEL_MOST)
			return 0;
		points[count++] = point < 128 ? ascii_lower((unsigned char)point)
					      : point;
	}
	return count;
}

static uint32_t next_point(const uint32_t *points, size_t count, uint32_t from)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		if (points[i] >= from && points[i] < least)
			least = points[i];
	return least;
}

/* 6.3; numbers cannot overflow: 63 points of at most 0x10ffff each. */
static bool format_label(struct buf *out, struct str label)
{
	uint32_t points[LABEL_MOST], n = INITIAL_N, delta = 0;
	uint32_t bias = INITIAL_BIAS, basic = 0, done;
	size_t count = parse_points(label, points);

	for (size_t i = 0; i < count; i++)
		if (points[i] < 128) {
			buf_char(out, (char)points[i]);
			basic++;
		}
	if (basic > 0)
		buf_char(out, '-');
	for (done = basic; done < count; delta++, n++) {
		uint32_t point = next_point(points, count, n);

		delta += (point - n) * (done + 1);
		n = point;
		for (size_t i = 0; i < count; i++) {
			if (points[i] < n)
				delta++;
			if (points[i] != n)
				continue;
			format_delta(out, delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
	return count > 0;
}

struct str domain_to_ascii(struct arena *arena, struct str domain)
{
	struct buf out = BUF_IN(arena);
	struct str rest = domain;

	if (str_is_ascii(domain))
		return domain;
	if (!str_is_utf8(domain))
		return STR_NONE;
	for (bool more = true; more;) {
		size_t start = out.len, dot = str_find_char(rest, '.');
		struct str label = str_take_until(&rest, '.');

		more = dot != SIZE_MAX;
		if (str_is_ascii(label)) {
			buf_add(&out, label);
		} else {
			buf_text(&out, "xn--");
			if (!format_label(&out, label))
				return STR_NONE;
		}
		if (out.len - start > LABEL_MOST)
			return STR_NONE;
		if (more)
			buf_char(&out, '.');
	}
	return buf_str(&out);
}
