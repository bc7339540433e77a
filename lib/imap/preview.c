#include "imap/preview.h"

#include "imap/charset.h"
#include "mail/transfer.h"

enum {
	READ_FIRST = 1024,     /* octets of a part that are mostly enough */
	READ_MOST = 16 * 1024, /* that are looked at */
	EDGE = 16, /* octets of text that may be other ones when more is read */
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

static struct str decoded(struct arena *arena, struct str body,
	const struct mime_part *part)
{
	struct str charset = mail_params_find(&part->params, "charset");
	struct buf plain = BUF_IN(arena), utf8 = BUF_IN(arena);
	struct mail_decoder decoder;

	mail_decoder_init(&decoder, mail_encoding_parse(part->encoding));
	mail_decode(&decoder, body, &plain);
	mail_decode_end(&decoder, &plain);
	if (charset.len == 0 || str_is_nocase(charset, "us-ascii"))
		charset = STR("utf-8");
	if (!imap_charset_format(&utf8, charset, buf_str(&plain)))
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

/* Characters at the front that are shown as they are, one octet each. */
static size_t plain_len(struct str text, size_t most)
{
	size_t len = 0;

	while (len < text.len && len < most && text.p[len] > ' ' &&
		text.p[len] < 0x7f)
		len++;
	return len;
}

/* True: there was enough, and more of the body would change nothing. */
static bool shorten(struct str text, struct buf *out)
{
	size_t chars = 0;

	while (text.len > 0 && chars < IMAP_PREVIEW_CHARS) {
		size_t plain = plain_len(text, IMAP_PREVIEW_CHARS - chars);
		size_t len = plain ? plain : char_len(text);
		bool blank = (unsigned char)text.p[0] <= ' ' ||
			text.p[0] == 0x7f;

		if (len > 0 && !blank)
			buf_add(out, str_first(text, len));
		else if (len > 0 && out->len > 0 &&
			out->p[out->len - 1] != ' ')
			buf_char(out, ' ');
		else
			chars--;
		chars += plain ? plain : 1;
		text = str_skip(text, len ? len : 1);
	}
	return text.len > EDGE;
}

struct str imap_preview(struct arena *arena, struct str message,
	const struct mime_part *root)
{
	const struct mime_part *part = find_text(root, NULL);
	struct buf out = BUF_IN(arena);
	struct str body, text;

	if (!part)
		return STR("");
	body = str_first(str_skip(message, part->body_at), part->body_len);
	for (size_t most = READ_FIRST;; most = READ_MOST) {
		buf_clear(&out);
		text = decoded(arena, str_first(body, most), part);
		if (!str_is_nocase(part->subtype, "plain"))
			text = text_of_html(arena, text);
		if (shorten(text, &out) || most >= body.len ||
			most == READ_MOST)
			break;
	}
	return str_trim(buf_str(&out));
}
