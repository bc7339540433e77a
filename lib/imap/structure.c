/*
 * BODY and BODYSTRUCTURE: the tree of parts as nested lists.
 */
#include "imap/envelope.h"

#include "imap/format.h"
#include "mail/header.h"

enum {
	LANGUAGES_MOST = 50,
};

struct writer {
	struct arena *arena;
	struct buf *out;
	struct str message;
	bool extended;
};

static void part_format(struct writer *w, const struct mime_part *part);

static void params_format(struct buf *out, const struct mail_params *params)
{
	if (params->count == 0) {
		buf_text(out, "NIL");
		return;
	}
	buf_char(out, '(');
	for (size_t i = 0; i < params->count; i++) {
		if (i > 0)
			buf_char(out, ' ');
		imap_string_format(out, params->items[i].name);
		buf_char(out, ' ');
		imap_string_format(out, params->items[i].value);
	}
	buf_char(out, ')');
}

static void disposition_format(struct buf *out, const struct mime_part *part)
{
	if (str_is_none(part->disposition)) {
		buf_text(out, "NIL");
		return;
	}
	buf_char(out, '(');
	imap_string_format(out, part->disposition);
	buf_char(out, ' ');
	params_format(out, &part->disposition_params);
	buf_char(out, ')');
}

/* "Content-Language: de, en" */
static void language_format(struct writer *w, struct str language)
{
	struct str tags[LANGUAGES_MOST];
	size_t count = 0;

	language = mail_header_unfold(w->arena, language);
	while (count < LANGUAGES_MOST &&
		str_take_item(&language, ", \t", &tags[count]))
		count++;
	if (count == 0)
		buf_text(w->out, "NIL");
	else if (count == 1)
		imap_string_format(w->out, tags[0]);
	for (size_t i = 0; count > 1 && i < count; i++) {
		buf_char(w->out, i == 0 ? '(' : ' ');
		imap_string_format(w->out, tags[i]);
	}
	if (count > 1)
		buf_char(w->out, ')');
}

static void extension_format(struct writer *w, const struct mime_part *part)
{
	buf_char(w->out, ' ');
	disposition_format(w->out, part);
	buf_char(w->out, ' ');
	language_format(w, part->language);
	buf_char(w->out, ' ');
	imap_nstring_format(w->out, part->location);
}

static void multipart_format(struct writer *w, const struct mime_part *part)
{
	for (const struct mime_part *p = part->children; p; p = p->next)
		part_format(w, p);
	buf_char(w->out, ' ');
	imap_string_format(w->out, part->subtype);
	if (!w->extended)
		return;
	buf_char(w->out, ' ');
	params_format(w->out, &part->params);
	extension_format(w, part);
}

static void message_fields_format(struct writer *w,
	const struct mime_part *part)
{
	const struct mime_part *inner = part->children;

	buf_char(w->out, ' ');
	imap_envelope_format(w->arena, w->out,
		str_first(str_skip(w->message, inner->header_at),
			inner->header_len));
	buf_char(w->out, ' ');
	part_format(w, inner);
	buf_fmt(w->out, " %u", part->body_lines);
}

/* message/rfc822 that was not parsed (nested too deep) has no envelope to
 * show, so it must not be called that. */
static void type_format(struct buf *out, const struct mime_part *part)
{
	if (part->kind == MIME_SINGLE &&
		str_is_nocase(part->type, "message") &&
		(str_is_nocase(part->subtype, "rfc822") ||
			str_is_nocase(part->subtype, "global"))) {
		buf_text(out, "\"application\" \"octet-stream\"");
		return;
	}
	imap_string_format(out, part->type);
	buf_char(out, ' ');
	imap_string_format(out, part->subtype);
}

static void single_format(struct writer *w, const struct mime_part *part)
{
	bool is_text = str_is_nocase(part->type, "text");

	type_format(w->out, part);
	buf_char(w->out, ' ');
	if (part->params.count == 0 && is_text && !part->has_type)
		buf_text(w->out, "(\"charset\" \"us-ascii\")");
	else
		params_format(w->out, &part->params);
	buf_char(w->out, ' ');
	imap_nstring_format(w->out, part->id);
	buf_char(w->out, ' ');
	imap_nstring_format(w->out, part->description);
	buf_char(w->out, ' ');
	imap_string_format(w->out,
		part->encoding.len ? part->encoding : STR("7bit"));
	buf_fmt(w->out, " %zu", part->body_len + part->body_bare);
	if (part->kind == MIME_MESSAGE)
		message_fields_format(w, part);
	else if (is_text)
		buf_fmt(w->out, " %u", part->body_lines);
	if (!w->extended)
		return;
	buf_char(w->out, ' ');
	imap_nstring_format(w->out, part->md5);
	extension_format(w, part);
}

static void part_format(struct writer *w, const struct mime_part *part)
{
	buf_char(w->out, '(');
	if (part->kind == MIME_MULTIPART)
		multipart_format(w, part);
	else
		single_format(w, part);
	buf_char(w->out, ')');
}

void imap_structure_format(struct arena *arena, struct buf *out,
	struct str message, const struct mime_part *root, bool extended)
{
	struct writer w = { arena, out, message, extended };

	part_format(&w, root);
}
