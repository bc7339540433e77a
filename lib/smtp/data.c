#include "smtp/data.h"

void smtp_decoder_init(struct smtp_decoder *decoder, enum smtp_newline newline,
	bool keep_stray_cr, bool is_chunked)
{
	*decoder = (struct smtp_decoder){
		.newline = newline, .keep_stray_cr = keep_stray_cr,
		.is_chunked = is_chunked,
		.after_crlf = true, /* the end of the DATA command */
	};
}

static void put(struct buf *out, char c)
{
	out->p[out->len++] = c;
}

static void put_stray_cr(struct smtp_decoder *decoder, struct buf *out)
{
	put(out, decoder->keep_stray_cr ? '\r' : ' ');
}

static void end_line(struct smtp_decoder *decoder, bool crlf, struct buf *out)
{
	put(out, '\n');
	decoder->bare_lf |= !crlf;
	decoder->has_crlf |= crlf;
	decoder->after_crlf = crlf;
	decoder->state = SMTP_AT_START;
}

/* A line of one dot: the end if its own end and the one before are CRLF. As a
 * line of the text it is empty: the dot was stuffed. */
static void end_dot(struct smtp_decoder *decoder, bool crlf, struct buf *out)
{
	bool same = decoder->newline == SMTP_NEWLINE_SAME && !crlf &&
		!decoder->has_crlf;

	if ((crlf && decoder->after_crlf) || same ||
		decoder->newline == SMTP_NEWLINE_ANY) {
		decoder->is_done = true;
		return;
	}
	end_line(decoder, crlf, out);
}

static void decode_octet(struct smtp_decoder *decoder, char c, struct buf *out)
{
	enum smtp_decoder_state state = decoder->state;

	if (state == SMTP_AT_START && c == '.' &&
		!decoder->is_chunked) {
		decoder->state = SMTP_AT_DOT;
	} else if (c == '\n') {
		if (state == SMTP_AT_DOT || state == SMTP_AT_DOT_CR)
			end_dot(decoder, state == SMTP_AT_DOT_CR, out);
		else
			end_line(decoder, state == SMTP_AT_CR, out);
	} else {
		if (state == SMTP_AT_CR || state == SMTP_AT_DOT_CR)
			put_stray_cr(decoder, out);
		decoder->state = SMTP_AT_TEXT;
		if (c == '\r')
			decoder->state = state == SMTP_AT_DOT ?
				SMTP_AT_DOT_CR : SMTP_AT_CR;
		else
			put(out, c);
	}
}

/* Nothing is kept of it, but it is an octet of the line all the same: what a
 * relay before us has not stuffed ("<NUL>." CRLF) ends no message here. */
static void decode_nul(struct smtp_decoder *decoder, struct buf *out)
{
	if (decoder->state == SMTP_AT_CR || decoder->state == SMTP_AT_DOT_CR)
		put_stray_cr(decoder, out);
	decoder->state = SMTP_AT_TEXT;
	decoder->nuls++;
}

/*
 * The common case: lines that stand in the buffer as a whole, end in CRLF, do
 * not begin with a dot and hold no other CR. Stops at the first other one. LF
 * is looked for first, so that no octet is looked at more than twice.
 */
static void decode_lines(struct smtp_decoder *decoder, struct str *in,
	struct buf *out)
{
	const char *p = in->p, *end = in->p + in->len;

	while (p < end && (*p != '.' || decoder->is_chunked)) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t len;

		if (!lf || lf == p || lf[-1] != '\r')
			break;
		len = (size_t)(lf - p) - 1;
		if (memchr(p, '\r', len))
			break;
		memcpy(out->p + out->len, p, len);
		out->len += len;
		put(out, '\n');
		decoder->after_crlf = decoder->has_crlf = true;
		p = lf + 1;
	}
	*in = str_of(p, (size_t)(end - p));
}

/* Text in a line, up to the next octet that means something. */
static void decode_text(struct str *in, struct buf *out)
{
	size_t len = 0;

	while (len < in->len && in->p[len] != '\r' && in->p[len] != '\n')
		len++;
	memcpy(out->p + out->len, in->p, len);
	out->len += len;
	*in = str_skip(*in, len);
}

/* As smtp_decode, for a piece that has no NUL. */
static void decode_piece(struct smtp_decoder *decoder, struct str *in,
	struct buf *out)
{
	while (in->len > 0 && !decoder->is_done) {
		if (decoder->state == SMTP_AT_START)
			decode_lines(decoder, in, out);
		else if (decoder->state == SMTP_AT_TEXT)
			decode_text(in, out);
		if (in->len == 0)
			return;
		decode_octet(decoder, in->p[0], out);
		*in = str_skip(*in, 1);
	}
}

bool smtp_decode(struct smtp_decoder *decoder, struct str *in, struct buf *out)
{
	/* Nothing grows: only what was held back (CR) may add an octet. */
	while (in->len > 0 && !decoder->is_done) {
		size_t nul = str_find_char(*in, '\0');
		struct str piece = str_first(*in, nul);
		size_t len = piece.len;

		if (!buf_room(out, len + 2)) {
			*in = str_skip(*in, in->len);
			return false;
		}
		decode_piece(decoder, &piece, out);
		*in = str_skip(*in, len - piece.len);
		if (!decoder->is_done && str_take_char(in, '\0'))
			decode_nul(decoder, out);
	}
	return decoder->is_done;
}

void smtp_decode_end(struct smtp_decoder *decoder, struct buf *out)
{
	if (!buf_room(out, 2))
		return;
	if (decoder->state == SMTP_AT_CR)
		put_stray_cr(decoder, out);
	if (decoder->state != SMTP_AT_START)
		put(out, '\n');
	decoder->state = SMTP_AT_START;
}

/* One piece of a line, without its end. */
/* No CR goes out but that of a line end: some servers take it for one. */
static void add_without_cr(struct buf *out, struct str text)
{
	size_t at = out->len;

	buf_add(out, text);
	while (at < out->len) {
		char *cr = memchr(out->p + at, '\r', out->len - at);

		if (!cr)
			return;
		*cr = ' ';
		at = (size_t)(cr - out->p) + 1;
	}
}

static void encode_text(struct smtp_encoder *encoder, struct str text,
	struct buf *out)
{
	while (text.len > 0) {
		size_t room = text.len;

		if (encoder->column == 0 && text.p[0] == '.') {
			buf_char(out, '.');
			encoder->column++;
		}
		if (encoder->line_most > 0)
			room = encoder->line_most > encoder->column ?
				encoder->line_most - encoder->column : 0;
		if (room == 0) {
			buf_text(out, "\r\n ");
			encoder->column = 1;
			encoder->broken++;
			continue;
		}
		add_without_cr(out, str_first(text, room));
		encoder->column += room < text.len ? room : text.len;
		text = str_skip(text, room);
	}
}

/* The common case, from the start of a line on: whole ones that need nothing
 * but their CR. Stops at the first other one. */
static void encode_lines(const struct smtp_encoder *encoder, struct str *text,
	struct buf *out)
{
	const char *p = text->p, *end = text->p + text->len;

	while (p < end && *p != '.') {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t len = lf ? (size_t)(lf - p) : 0;

		if (!lf || (encoder->line_most > 0 && len > encoder->line_most) ||
			memchr(p, '\r', len) || !buf_room(out, len + 2))
			break;
		memcpy(out->p + out->len, p, len);
		out->len += len;
		put(out, '\r');
		put(out, '\n');
		p = lf + 1;
	}
	*text = str_of(p, (size_t)(end - p));
}

void smtp_encode(struct smtp_encoder *encoder, struct str text, struct buf *out)
{
	/* At once what a text of usual lines needs, a CR for each. */
	(void)!buf_room(out, text.len + text.len / 32);
	while (text.len > 0) {
		size_t end;

		if (encoder->column == 0)
			encode_lines(encoder, &text, out);
		if (text.len == 0)
			return;
		end = str_find_char(text, '\n');
		encode_text(encoder, str_first(text, end), out);
		if (end == SIZE_MAX)
			return;
		buf_text(out, "\r\n");
		encoder->column = 0;
		text = str_skip(text, end + 1);
	}
}

void smtp_encode_end(struct smtp_encoder *encoder, struct buf *out)
{
	buf_text(out, encoder->column ? "\r\n.\r\n" : ".\r\n");
	encoder->column = 0;
}
