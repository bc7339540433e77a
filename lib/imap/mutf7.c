#include "imap/mutf7.h"

static const char digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Take one character of well-formed UTF-8. */
static uint32_t take_utf8(struct str *in)
{
	unsigned char c = (unsigned char)in->p[0];
	size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t code = len == 1 ? c : c & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)in->p[i] & 0x3f);
	*in = str_skip(*in, len);
	return code;
}

static void add_utf8(struct buf *out, uint32_t code)
{
	if (code < 0x80) {
		buf_char(out, (char)code);
		return;
	}
	if (code < 0x800) {
		buf_char(out, (char)(0xc0 | code >> 6));
	} else {
		if (code < 0x10000) {
			buf_char(out, (char)(0xe0 | code >> 12));
		} else {
			buf_char(out, (char)(0xf0 | code >> 18));
			buf_char(out, (char)(0x80 | (code >> 12 & 0x3f)));
		}
		buf_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
	}
	buf_char(out, (char)(0x80 | (code & 0x3f)));
}

/* Sixes of bits that become digits. */
struct bits {
	uint32_t held;
	unsigned count;
};

static void add_unit(struct buf *out, struct bits *bits, uint32_t unit)
{
	bits->held = bits->held << 16 | unit;
	bits->count += 16;
	while (bits->count >= 6) {
		bits->count -= 6;
		buf_char(out, digits[bits->held >> bits->count & 0x3f]);
	}
	bits->held &= (1u << bits->count) - 1;
}

static void add_shifted(struct buf *out, struct str *in)
{
	struct bits bits = { 0 };

	buf_char(out, '&');
	while (in->len > 0 && !ascii_is_print((unsigned char)in->p[0])) {
		uint32_t code = take_utf8(in);

		if (code >= 0x10000) {
			add_unit(out, &bits, 0xd800 + ((code - 0x10000) >> 10));
			add_unit(out, &bits,
				0xdc00 + ((code - 0x10000) & 0x3ff));
		} else {
			add_unit(out, &bits, code);
		}
	}
	if (bits.count)
		buf_char(out, digits[bits.held << (6 - bits.count) & 0x3f]);
	buf_char(out, '-');
}

struct str imap_mutf7_of_utf8(struct arena *arena, struct str utf8)
{
	struct buf out = BUF_IN(arena);

	if (!str_is_utf8(utf8))
		return STR_NONE;
	while (utf8.len > 0) {
		unsigned char c = (unsigned char)utf8.p[0];

		if (!ascii_is_print(c)) {
			add_shifted(&out, &utf8);
			continue;
		}
		buf_char(&out, (char)c);
		if (c == '&')
			buf_char(&out, '-');
		utf8 = str_skip(utf8, 1);
	}
	return buf_str(&out);
}

/* One UTF-16 unit; false at the end of the shifted run. */
static bool take_unit(struct str *in, struct bits *bits, uint32_t *unit)
{
	while (bits->count < 16) {
		int digit = in->len ? digit_of(in->p[0]) : -1;

		if (digit < 0)
			return false;
		bits->held = bits->held << 6 | (uint32_t)digit;
		bits->count += 6;
		*in = str_skip(*in, 1);
	}
	bits->count -= 16;
	*unit = bits->held >> bits->count;
	bits->held &= (1u << bits->count) - 1;
	return true;
}

static bool take_shifted(struct str *in, struct buf *out)
{
	struct bits bits = { 0 };
	uint32_t unit, low;

	if (str_take_char(in, '-')) {
		buf_char(out, '&');
		return true;
	}
	while (take_unit(in, &bits, &unit)) {
		if (unit >= 0xdc00 && unit <= 0xdfff)
			return false;
		if (unit >= 0xd800 && unit <= 0xdbff) {
			if (!take_unit(in, &bits, &low) || low < 0xdc00 ||
				low > 0xdfff)
				return false;
			unit = 0x10000 + ((unit - 0xd800) << 10) +
				(low - 0xdc00);
		}
		if (unit < 0x80 && (ascii_is_print((unsigned char)unit) ||
			unit == 0))
			return false;
		add_utf8(out, unit);
	}
	if (bits.count >= 6 || bits.held != 0 || !str_take_char(in, '-'))
		return false;
	/* A run that goes on in a second one is not the one form. */
	return in->len < 2 || in->p[0] != '&' || in->p[1] == '-';
}

struct str imap_mutf7_to_utf8(struct arena *arena, struct str mutf7)
{
	struct buf out = BUF_IN(arena);

	while (mutf7.len > 0) {
		unsigned char c = (unsigned char)mutf7.p[0];

		if (!ascii_is_print(c))
			return STR_NONE;
		mutf7 = str_skip(mutf7, 1);
		if (c != '&')
			buf_char(&out, (char)c);
		else if (!take_shifted(&mutf7, &out))
			return STR_NONE;
	}
	return buf_str(&out);
}
