#include "mail/transfer.h"

#include "base/encode.h"
#include "mail/param.h"

static const struct {
	const char *name;
	enum mail_encoding encoding;
} encodings[] = {
	{ "7bit", MAIL_ENCODING_7BIT },
	{ "8bit", MAIL_ENCODING_8BIT },
	{ "binary", MAIL_ENCODING_BINARY },
	{ "quoted-printable", MAIL_ENCODING_QP },
	{ "base64", MAIL_ENCODING_BASE64 },
};

enum mail_encoding mail_encoding_parse(struct str name)
{
	struct str token;

	mail_blanks_take(&name);
	if (name.len == 0)
		return MAIL_ENCODING_7BIT;
	if (!mail_token_take(&name, &token))
		return MAIL_ENCODING_UNKNOWN;
	for (size_t i = 0; i < COUNT(encodings); i++)
		if (str_is_nocase(token, encodings[i].name))
			return encodings[i].encoding;
	return MAIL_ENCODING_UNKNOWN;
}

void mail_decoder_init(struct mail_decoder *decoder,
	enum mail_encoding encoding)
{
	*decoder = (struct mail_decoder){ .encoding = encoding };
}

enum {
	NO_SEXTET = 64,
	PADDING = 65,
};

static unsigned sextet(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	if (c == '+' || c == '/')
		return c == '+' ? 62 : 63;
	return c == '=' ? PADDING : NO_SEXTET;
}

static void decode_base64(struct mail_decoder *decoder, struct str piece,
	struct buf *out)
{
	if (!buf_room(out, piece.len / 4 * 3 + 3))
		return;
	for (size_t i = 0; i < piece.len; i++) {
		unsigned six = sextet((unsigned char)piece.p[i]);

		if (six == PADDING) /* a new group may follow: joined parts */
			decoder->bits = decoder->bit_count = 0;
		if (six >= NO_SEXTET)
			continue;
		decoder->bits = (decoder->bits << 6 | six) & 0xffffff;
		decoder->bit_count += 6;
		if (decoder->bit_count < 8)
			continue;
		decoder->bit_count -= 8;
		out->p[out->len++] =
			(char)(decoder->bits >> decoder->bit_count & 0xff);
	}
}

static void hold(struct mail_decoder *decoder, char c, struct buf *out)
{
	if (decoder->held_len == sizeof(decoder->held)) {
		buf_add(out, str_of(decoder->held, decoder->held_len));
		decoder->held_len = 0;
	}
	decoder->held[decoder->held_len++] = c;
}

static void release(struct mail_decoder *decoder, struct buf *out)
{
	buf_add(out, str_of(decoder->held, decoder->held_len));
	decoder->held_len = 0;
}

/* Behind "=": two digits, or blanks and a line end (soft line break). False:
 * neither; what was held has been released, c is still to be looked at. */
static bool decode_escape(struct mail_decoder *decoder, char c,
	struct buf *out)
{
	int high, low;

	if (c == '\n') {
		decoder->held_len = 0;
		return true;
	}
	if (decoder->held_len == 2 && ascii_hex((unsigned char)
		decoder->held[1]) >= 0) {
		high = ascii_hex((unsigned char)decoder->held[1]);
		low = ascii_hex((unsigned char)c);
		if (low >= 0) {
			decoder->held_len = 0;
			buf_char(out, (char)(high << 4 | low));
			return true;
		}
	} else if (c == ' ' || c == '\t' || c == '\r' ||
		(decoder->held_len == 1 && ascii_hex((unsigned char)c) >= 0)) {
		hold(decoder, c, out);
		return true;
	}
	release(decoder, out);
	return false;
}

static void decode_qp(struct mail_decoder *decoder, struct str piece,
	struct buf *out)
{
	for (size_t i = 0; i < piece.len; i++) {
		char c = piece.p[i];

		if (decoder->held_len > 0 && decoder->held[0] == '=' &&
			decode_escape(decoder, c, out))
			continue;
		if (c == '=') {
			release(decoder, out);
			hold(decoder, c, out);
		} else if (c == ' ' || c == '\t' || c == '\r') {
			hold(decoder, c, out);
		} else if (c == '\n') { /* RFC 2045 6.7 (3) */
			bool crlf = decoder->held_len > 0 &&
				decoder->held[decoder->held_len - 1] == '\r';

			decoder->held_len = 0;
			buf_text(out, crlf ? "\r\n" : "\n");
		} else {
			release(decoder, out);
			buf_char(out, c);
		}
	}
}

void mail_decode(struct mail_decoder *decoder, struct str piece,
	struct buf *out)
{
	if (decoder->encoding == MAIL_ENCODING_BASE64)
		decode_base64(decoder, piece, out);
	else if (decoder->encoding == MAIL_ENCODING_QP)
		decode_qp(decoder, piece, out);
	else
		buf_add(out, piece);
}

void mail_decode_end(struct mail_decoder *decoder, struct buf *out)
{
	if (decoder->held_len > 0 && decoder->held[0] == '=')
		release(decoder, out);
	decoder->held_len = 0;
}

void mail_base64_format(struct buf *out, struct str in, const char *line_end)
{
	for (; in.len > 0; in = str_skip(in, 57)) {
		base64_format(out, str_first(in, 57));
		buf_text(out, line_end);
	}
}

/* One line without its end. */
static void format_qp_line(struct buf *out, struct str line)
{
	size_t column = 0;

	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.p[i];
		bool is_last = i + 1 == line.len;
		bool plain = (ascii_is_print(c) && c != '=') || c == '\t';
		size_t cost;

		if ((c == ' ' || c == '\t') && is_last)
			plain = false;
		cost = plain ? 1 : 3;
		if (column + cost > (is_last ? 76u : 75u)) {
			buf_text(out, "=\n");
			column = 0;
		}
		/* "From " and "." at the start of a line are often mangled */
		if (column == 0 && (c == '.' || c == 'F'))
			plain = false, cost = 3;
		if (plain)
			buf_char(out, (char)c);
		else
			buf_fmt(out, "=%02X", c);
		column += cost;
	}
}

void mail_qp_format(struct buf *out, struct str in)
{
	while (in.len > 0) {
		size_t end = str_find_char(in, '\n');
		struct str line = str_first(in, end), line_end = STR("");

		if (end != SIZE_MAX)
			line_end = STR("\n");
		if (end != SIZE_MAX && str_ends(line, STR("\r"))) {
			line.len--;
			line_end = STR("\r\n");
		}
		format_qp_line(out, line);
		buf_add(out, line_end);
		in = end == SIZE_MAX ? STR_NONE : str_skip(in, end + 1);
	}
}
