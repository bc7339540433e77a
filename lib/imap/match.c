#include "imap/match.h"

#include "imap/charset.h"
#include "imap/fold.h"
#include "mail/header.h"
#include "mail/transfer.h"

static struct str folded(struct arena *arena, struct str utf8)
{
	struct buf out = BUF_IN(arena);

	imap_fold_format(&out, utf8);
	return buf_str(&out);
}

struct str imap_needle(struct arena *arena, struct str charset,
	struct str text)
{
	struct buf utf8 = BUF_IN(arena);

	if (str_is_nocase(charset, "US-ASCII") && !str_is_ascii(text))
		return STR_NONE;
	if (!imap_charset_format(&utf8, charset, text) ||
		!str_is_utf8(buf_str(&utf8)))
		return STR_NONE;
	return folded(arena, buf_str(&utf8));
}

static bool contains(struct arena *arena, struct str utf8, struct str needle)
{
	return needle.len == 0 ||
		str_find(folded(arena, utf8), needle) != SIZE_MAX;
}

bool imap_match_header(struct arena *arena, struct str header,
	struct str field, struct str needle)
{
	struct mail_header h;

	while (mail_header_take(&header, &h)) {
		if (!str_eq_nocase(h.name, field))
			continue;
		if (contains(arena, imap_words_decode(arena,
			mail_header_unfold(arena, h.body)), needle))
			return true;
	}
	return false;
}

/* ---- the text of a message ---- */

struct walk {
	struct arena *arena;
	struct str message;
	imap_text_each_fn *each;
	void *context;
};

static bool walk_header(const struct walk *w, const struct mime_part *part,
	enum imap_text_place place)
{
	struct str header = str_first(str_skip(w->message, part->header_at),
		part->header_len);
	struct mail_header h;

	while (mail_header_take(&header, &h)) {
		struct str text = imap_words_decode(w->arena,
			mail_header_unfold(w->arena, h.body));

		text = arena_fmt(w->arena, "%.*s: %.*s", STR_ARG(h.name),
			STR_ARG(text));
		if (!w->each(w->context, place, text))
			return false;
	}
	return true;
}

static bool walk_text(const struct walk *w, const struct mime_part *part)
{
	struct str body = str_first(str_skip(w->message, part->body_at),
		part->body_len);
	struct str charset = mail_params_find(&part->params, "charset");
	struct buf plain = BUF_IN(w->arena), utf8 = BUF_IN(w->arena);
	struct mail_decoder decoder;

	mail_decoder_init(&decoder, mail_encoding_parse(part->encoding));
	mail_decode(&decoder, body, &plain);
	mail_decode_end(&decoder, &plain);
	if (charset.len == 0 || str_is_nocase(charset, "us-ascii"))
		charset = STR("utf-8");
	if (!imap_charset_format(&utf8, charset, buf_str(&plain)))
		return w->each(w->context, IMAP_TEXT_BODY, buf_str(&plain));
	return w->each(w->context, IMAP_TEXT_BODY, buf_str(&utf8));
}

/* The header of an attached message is text of this one. */
static bool walk_part(const struct walk *w, const struct mime_part *part,
	bool in_message, bool is_root)
{
	if ((is_root || in_message) && !walk_header(w, part,
		is_root ? IMAP_TEXT_HEADER : IMAP_TEXT_BODY))
		return false;
	if (part->kind == MIME_SINGLE)
		return !str_is_nocase(part->type, "text") ||
			walk_text(w, part);
	for (const struct mime_part *p = part->children; p; p = p->next)
		if (!walk_part(w, p, part->kind == MIME_MESSAGE, false))
			return false;
	return true;
}

void imap_text_each(struct arena *arena, struct str message,
	const struct mime_part *root, imap_text_each_fn *each, void *context)
{
	const struct walk w = { .arena = arena, .message = message,
		.each = each, .context = context };

	if (!walk_part(&w, root, false, true))
		return;
}

struct look {
	struct arena *arena;
	struct str needle;
	bool with_header, found;
};

static bool look_into(void *context, enum imap_text_place place,
	struct str utf8)
{
	struct look *look = context;

	if (place == IMAP_TEXT_HEADER && !look->with_header)
		return true;
	look->found = contains(look->arena, utf8, look->needle);
	return !look->found;
}

bool imap_match_body(struct arena *arena, struct str message,
	const struct mime_part *root, struct str needle, bool with_headers)
{
	struct look look = { .arena = arena, .needle = needle,
		.with_header = with_headers };

	if (needle.len == 0)
		return true;
	imap_text_each(arena, message, root, look_into, &look);
	return look.found;
}
