#include "base/json.h"

#include <string.h>

/* Eight octets at a time. */
size_t json_usual_length(struct str in)
{
	const uint64_t ones = 0x0101010101010101, high = ones * 0x80;
	size_t len = 0;

	for (; in.len - len >= sizeof(ones); len += sizeof(ones)) {
		uint64_t octets, quote, backslash, rubout;

		memcpy(&octets, in.p + len, sizeof(octets));
		quote = octets ^ ones * '"';
		backslash = octets ^ ones * '\\';
		rubout = octets ^ ones * 0x7f;
		if ((octets | (octets - ones * ' ') |
			    ((quote - ones) & ~quote) |
			    ((backslash - ones) & ~backslash) |
			    ((rubout - ones) & ~rubout)) & high)
			break;
	}
	return len;
}

static size_t utf8_length(struct str in)
{
	for (size_t len = 1; len <= 4 && len <= in.len; len++)
		if (str_is_utf8(str_first(in, len)))
			return len;
	return 0;
}

static size_t plain_length(struct str in)
{
	size_t len = json_usual_length(in);

	while (len < in.len && (unsigned char)in.p[len] >= 0x20 &&
		(unsigned char)in.p[len] < 0x80 && in.p[len] != '"' &&
		in.p[len] != '\\')
		len++;
	return len;
}

void json_escape_format(struct buf *out, struct str in)
{
	for (;;) {
		unsigned char c;
		size_t len;

		len = plain_length(in);
		buf_add(out, str_first(in, len));
		in = str_skip(in, len);
		if (in.len == 0)
			return;
		c = (unsigned char)in.p[0];
		len = utf8_length(in);
		if (c == '"' || c == '\\')
			buf_fmt(out, "\\%c", c);
		else if (c < 0x20)
			buf_fmt(out, "\\u%04x", c);
		else if (len == 0)
			buf_char(out, '?');
		else
			buf_add(out, str_first(in, len));
		in = str_skip(in, len ? len : 1);
	}
}

void json_format(struct buf *out, struct str in)
{
	buf_char(out, '"');
	json_escape_format(out, in);
	buf_char(out, '"');
}
