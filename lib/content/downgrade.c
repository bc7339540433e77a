#include "content/downgrade.h"

#include "mail/header.h"
#include "mail/param.h"
#include "mail/transfer.h"

void downgrade_init(struct downgrade *d, struct arena *arena)
{
	*d = (struct downgrade){ .arena = arena,
		.line = BUF_IN(NULL), .header = BUF_IN(NULL) };
}

/* What a header says of its body. */
struct entity {
	bool has_mime, has_encoding;
	bool is_8bit;
	bool is_multipart, is_message;
	struct str boundary;
};

static struct str find_boundary(struct arena *arena, struct str type)
{
	size_t at = str_find_nocase(type, STR("boundary="));
	struct str value = str_skip(type, at == SIZE_MAX ? type.len : at + 9);
	struct buf out = BUF_IN(arena);

	if (!str_take_char(&value, '"')) {
		size_t end = 0;

		while (end < value.len && value.p[end] != ';' &&
			!ascii_is_blank((unsigned char)value.p[end]))
			end++;
		return arena_copy(arena, str_first(value, end));
	}
	while (value.len > 0 && !str_take_char(&value, '"')) {
		if (value.p[0] == '\\' && value.len > 1)
			value = str_skip(value, 1);
		buf_char(&out, value.p[0]);
		value = str_skip(value, 1);
	}
	return arena_copy(arena, buf_str(&out));
}

static void look_at(struct arena *arena, const struct mail_header *field,
	struct entity *entity)
{
	struct str body = mail_header_unfold(arena, field->body);

	if (mail_header_is(field, "MIME-Version"))
		entity->has_mime = true;
	if (mail_header_is(field, "Content-Transfer-Encoding")) {
		enum mail_encoding encoding = mail_encoding_parse(body);

		entity->has_encoding = true;
		entity->is_8bit = encoding == MAIL_ENCODING_8BIT ||
			encoding == MAIL_ENCODING_BINARY;
	}
	if (mail_header_is(field, "Content-Type")) {
		entity->has_mime = true;
		entity->is_multipart =
			str_starts_nocase(body, STR("multipart/"));
		entity->is_message = str_starts_nocase(body, STR("message/"));
		entity->boundary = find_boundary(arena, body);
	}
}

/* The fields but the encoding, which is written anew. */
static void format_header(const struct downgrade *d,
	const struct entity *entity, bool to_qp, struct buf *out)
{
	struct str rest = buf_str(&d->header);
	struct mail_header field;

	while (mail_header_take(&rest, &field))
		if (!mail_header_is(&field, "Content-Transfer-Encoding"))
			buf_add(out, field.raw);
	if (!entity->has_mime && !d->is_part)
		buf_text(out, "MIME-Version: 1.0\n");
	buf_fmt(out, "Content-Transfer-Encoding: %s\n",
		to_qp ? "quoted-printable" : "7bit");
	buf_add(out, rest); /* the empty line, or what is no header */
}

static void end_header(struct downgrade *d, struct buf *out)
{
	struct entity entity = { 0 };
	struct str rest = buf_str(&d->header);
	struct mail_header field;
	bool to_qp;

	while (mail_header_take(&rest, &field))
		look_at(d->arena, &field, &entity);
	if (!entity.has_encoding && !entity.has_mime && !d->is_part)
		entity.is_8bit = true; /* no MIME at all, but not 7bit */
	to_qp = entity.is_8bit && !entity.is_multipart && !entity.is_message;
	if (entity.is_8bit)
		format_header(d, &entity, to_qp, out);
	else
		buf_add(out, buf_str(&d->header));
	buf_clear(&d->header);
	d->state = to_qp ? DOWNGRADE_QP : DOWNGRADE_COPY;
	if (entity.is_multipart && entity.boundary.len > 0 &&
		d->depth < DOWNGRADE_DEPTH_MOST)
		d->boundaries[d->depth++] = entity.boundary;
	if (entity.is_message && !entity.is_multipart)
		d->state = DOWNGRADE_HEADER;
	d->is_part = d->depth > 0 || entity.is_message;
}

/* A boundary line ends all parts within; then another header begins, or the
 * epilogue. */
static bool is_boundary(struct downgrade *d, struct str line)
{
	if (d->depth == 0 || !str_take_prefix(&line, STR("--")))
		return false;
	for (size_t i = d->depth; i-- > 0;) {
		struct str rest = line;

		if (!str_take_prefix(&rest, d->boundaries[i]))
			continue;
		if (str_trim(rest).len == 0) {
			d->depth = i + 1;
			d->state = DOWNGRADE_HEADER;
			return true;
		}
		if (str_is(str_trim(rest), "--")) {
			d->depth = i;
			d->state = DOWNGRADE_COPY;
			return true;
		}
	}
	return false;
}

static void take_header_line(struct downgrade *d, struct str line,
	struct buf *out)
{
	buf_add(&d->header, line);
	if (str_trim(line).len == 0) {
		end_header(d, out);
	} else if (d->header.len > DOWNGRADE_HEADER_MOST) {
		buf_add(out, buf_str(&d->header));
		buf_clear(&d->header);
		d->state = DOWNGRADE_COPY;
	}
}

/* A line with its LF, or a piece of one that is too long. */
static void take_line(struct downgrade *d, struct str line, struct buf *out)
{
	bool whole = !d->in_line;

	d->in_line = line.len == 0 || line.p[line.len - 1] != '\n';
	if (whole && is_boundary(d, line)) {
		if (d->header.len > 0) /* a part without a body */
			buf_add(out, buf_str(&d->header));
		buf_clear(&d->header);
		d->is_part = true;
		buf_add(out, line);
		return;
	}
	switch (d->state) {
	case DOWNGRADE_HEADER:
		take_header_line(d, line, out);
		break;
	case DOWNGRADE_COPY:
		buf_add(out, line);
		break;
	case DOWNGRADE_QP:
		mail_qp_format(out, line);
		if (d->in_line) /* a soft line break */
			buf_text(out, "=\n");
		break;
	}
}

void downgrade(struct downgrade *d, struct str piece, struct buf *out)
{
	while (piece.len > 0) {
		size_t end = str_find_char(piece, '\n');
		size_t len = end == SIZE_MAX ? piece.len : end + 1;

		buf_add(&d->line, str_first(piece, len));
		piece = str_skip(piece, len);
		if (end == SIZE_MAX && d->line.len < DOWNGRADE_LINE_MOST)
			return;
		take_line(d, buf_str(&d->line), out);
		buf_clear(&d->line);
	}
}

void downgrade_end(struct downgrade *d, struct buf *out)
{
	if (d->line.len > 0) {
		buf_char(&d->line, '\n');
		take_line(d, buf_str(&d->line), out);
	}
	if (d->header.len > 0)
		buf_add(out, buf_str(&d->header));
	buf_free(&d->line);
	buf_free(&d->header);
}
