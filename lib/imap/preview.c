#include "imap/preview.h"

#include "mail/transfer.h"
#include "mail/word.h"

enum {
	READ_MOST = 16 * 1024, /* octets of a part that are looked at */
};

/* The first text/plain, else the first text/html; `best` so far. */
static const struct mime_part *find_text(const struct mime_part *part,
	const struct mime_part *best)
{
	if (part->kind == MIME_SINGLE && str_is_nocase(part->type, "text") &&
		!str_is_nocase(part->disposition, "attachment")) {
		bool plain = str_is_nocase(part->subtype, "plain");

		if (!best || (plain && !str_is_nocase(best->subtype, "plain")))
			best = part;
	}
	for (const struct mime_part *p = part->children; p; p = p->next)
		best = find_text(p, best);
	return best;
}

/* A tag; the text of <style> and <script> goes with it. */
static void skip_tag(struct str *in)
{
	static const char *const hidden[] = { "style", "script", "title" };
	struct str name = str_skip(*in, 1), rest;
	size_t end = str_find_char(*in, '>');

	rest = end == SIZE_MAX ? STR("") : str_skip(*in, end + 1);
	for (size_t i = 0; i < COUNT(hidden); i++) {
		if (!str_starts_nocase(name, str_from(hidden[i])))
			continue;
		end = str_find(rest, STR("</"));
		rest = end == SIZE_MAX ? STR("") : str_skip(rest, end);
	}
	*in = rest;
}

static const struct {
	const char *name, *text;
} entities[] = {
	{ "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" },
	{ "&quot;", "\"" }, { "&#39;", "'" }, { "&nbsp;", " " },
};

static struct str text_of_html(struct arena *arena, struct str html)
{
	struct buf out = BUF_IN(arena);

	while (html.len > 0) {
		bool taken = false;

		if (html.p[0] == '<') {
			skip_tag(&html);
			buf_char(&out, ' ');
			continue;
		}
		for (size_t i = 0; !taken && i < COUNT(entities); i++) {
			taken = str_take_prefix_nocase(&html,
				str_from(entities[i].name));
			if (taken)
				buf_text(&out, entities[i].text);
		}
		if (!taken) {
			buf_char(&out, html.p[0]);
			html = str_skip(html, 1);
		}
	}
	return buf_str(&out);
}

static struct str decoded(struct arena *arena, struct str message,
	const struct mime_part *part)
{
	struct str body = str_first(str_skip(message, part->body_at),
		part->body_len);
	struct str charset = mail_params_find(&part->params, "charset");
	struct buf plain = BUF_IN(arena), utf8 = BUF_IN(arena);
	struct mail_decoder decoder;

	mail_decoder_init(&decoder, mail_encoding_parse(part->encoding));
	mail_decode(&decoder, str_first(body, READ_MOST), &plain);
	mail_decode_end(&decoder, &plain);
	if (charset.len == 0 || str_is_nocase(charset, "us-ascii"))
		charset = STR("utf-8");
	if (!mail_charset_format(&utf8, charset, buf_str(&plain)))
		return buf_str(&plain);
	return buf_str(&utf8);
}

/* Octets of the UTF-8 character at the front; 0: it is none. */
static size_t char_len(struct str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	if (c < 0x80)
		return 1;
	return len <= s.len && str_is_utf8(str_first(s, len)) ? len : 0;
}

struct str imap_preview(struct arena *arena, struct str message,
	const struct mime_part *root)
{
	const struct mime_part *part = find_text(root, NULL);
	struct buf out = BUF_IN(arena);
	struct str text;

	if (!part)
		return STR("");
	text = decoded(arena, message, part);
	if (!str_is_nocase(part->subtype, "plain"))
		text = text_of_html(arena, text);
	for (size_t chars = 0; text.len > 0 && chars < IMAP_PREVIEW_CHARS;) {
		size_t len = char_len(text);
		bool blank = (unsigned char)text.p[0] <= ' ' ||
			text.p[0] == 0x7f;

		if (len > 0 && !blank)
			buf_add(&out, str_first(text, len));
		else if (len > 0 && out.len > 0 && out.p[out.len - 1] != ' ')
			buf_char(&out, ' ');
		else
			chars--;
		chars++;
		text = str_skip(text, len ? len : 1);
	}
	return str_trim(buf_str(&out));
}
