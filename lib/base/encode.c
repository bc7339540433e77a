#include "base/encode.h"

static const char digits64[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_format(struct buf *out, struct str in)
{
	while (in.len > 0) {
		size_t have = in.len < 3 ? in.len : 3;
		uint32_t word = 0;
		char quad[4];

		for (size_t i = 0; i < 3; i++)
			word = word << 8 | (i < have ? (unsigned char)in.p[i] : 0u);
		for (size_t i = 0; i < 4; i++)
			quad[i] = i > have ?
				'=' :
				digits64[word >> (18 - 6 * i) & 63];
		buf_add(out, str_of(quad, 4));
		in = str_skip(in, have);
	}
}

static int value64(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

struct str base64_parse(struct arena *arena, struct str in)
{
	size_t padding = 0, len = 0;
	char *out;

	if (in.len % 4)
		return STR_NONE;
	while (padding < 2 && padding < in.len &&
		in.p[in.len - 1 - padding] == '=')
		padding++;
	out = arena_alloc(arena, in.len / 4 * 3 + 1);
	for (size_t i = 0; i < in.len; i += 4) {
		uint32_t word = 0;
		size_t have = i + 4 == in.len ? 4 - padding : 4;

		for (size_t k = 0; k < 4; k++) {
			int value = k < have ?
				value64((unsigned char)in.p[i + k]) :
				0;

			if (value < 0)
				return STR_NONE;
			word = word << 6 | (uint32_t)value;
		}
		for (size_t k = 0; k + 1 < have; k++)
			out[len++] = (char)(word >> (16 - 8 * k) & 255);
	}
	return str_of(out, len);
}

void hex_format(struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];

		buf_char(out, "0123456789abcdef"[c >> 4]);
		buf_char(out, "0123456789abcdef"[c & 15]);
	}
}

struct str hex_parse(struct arena *arena, struct str in)
{
	char *out;

	if (in.len % 2)
		return STR_NONE;
	out = arena_alloc(arena, in.len / 2 + 1);
	for (size_t i = 0; i < in.len; i += 2) {
		int high = ascii_hex((unsigned char)in.p[i]);
		int low = ascii_hex((unsigned char)in.p[i + 1]);

		if (high < 0 || low < 0)
			return STR_NONE;
		out[i / 2] = (char)(high << 4 | low);
	}
	return str_of(out, in.len / 2);
}

static bool is_xchar(unsigned char c)
{
	return c >= 0x21 && c <= 0x7e && c != '+' && c != '=';
}

void xtext_format(struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (is_xchar(c)) {
			buf_char(out, (char)c);
			continue;
		}
		buf_char(out, '+');
		buf_char(out, "0123456789ABCDEF"[c >> 4]);
		buf_char(out, "0123456789ABCDEF"[c & 15]);
	}
}

struct str xtext_parse(struct arena *arena, struct str in)
{
	char *out = arena_alloc(arena, in.len + 1);
	size_t len = 0;

	while (in.len > 0) {
		unsigned char c = (unsigned char)in.p[0];
		int high, low;

		if (c != '+') {
			if (!is_xchar(c))
				return STR_NONE;
			out[len++] = (char)c;
			in = str_skip(in, 1);
			continue;
		}
		if (in.len < 3)
			return STR_NONE;
		high = ascii_hex((unsigned char)in.p[1]);
		low = ascii_hex((unsigned char)in.p[2]);
		if (high < 0 || low < 0)
			return STR_NONE;
		out[len++] = (char)(high << 4 | low);
		in = str_skip(in, 3);
	}
	return str_of(out, len);
}
