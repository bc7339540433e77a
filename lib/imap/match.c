#include "imap/match.h"

#include "mail/header.h"
#include "mail/transfer.h"
#include "mail/word.h"

/* Ranges of letters of two octets in UTF-8: the first of the capital ones,
 * the last, and what to add; 1 in `pairs`: capital and small alternate. */
static const struct {
	uint32_t from, to, add;
	bool pairs;
} letters[] = {
	{ 0x00c0, 0x00d6, 32,  false },
	{ 0x00d8, 0x00de, 32,  false },
	{ 0x0100, 0x0137, 1,   true  },
	{ 0x014a, 0x0177, 1,   true  },
	{ 0x0391, 0x03a1, 32,  false },
	{ 0x03a3, 0x03ab, 32,  false },
	{ 0x0400, 0x040f, 80,  false },
	{ 0x0410, 0x042f, 32,  false },
	{ 0x0460, 0x0481, 1,   true  },
	{ 0x048a, 0x04bf, 1,   true  },
};

static uint32_t fold(uint32_t code)
{
	for (size_t i = 0; i < COUNT(letters); i++) {
		if (code < letters[i].from || code > letters[i].to)
			continue;
		if (letters[i].pairs && code % 2 == 1)
			return code;
		return code + letters[i].add;
	}
	return code;
}

void imap_fold_format(struct buf *out, struct str utf8)
{
	if (!buf_room(out, utf8.len))
		return;
	for (size_t i = 0; i < utf8.len; i++) {
		unsigned char c = (unsigned char)utf8.p[i];
		uint32_t code;

		if (c < 0xc3 || c > 0xd3 || i + 1 == utf8.len) {
			out->p[out->len++] = (char)ascii_lower(c);
			continue;
		}
		code = fold((c & 0x1fu) << 6 |
			((unsigned char)utf8.p[++i] & 0x3fu));
		out->p[out->len++] = (char)(0xc0 | code >> 6);
		out->p[out->len++] = (char)(0x80 | (code & 0x3f));
	}
}

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
	if (!mail_charset_format(&utf8, charset, text) ||
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
		if (contains(arena, mail_words_decode(arena,
			mail_header_unfold(arena, h.body)), needle))
			return true;
	}
	return false;
}

static bool header_contains(struct arena *arena, struct str header,
	struct str needle)
{
	struct mail_header h;

	while (mail_header_take(&header, &h)) {
		struct str text = mail_words_decode(arena,
			mail_header_unfold(arena, h.body));

		text = arena_fmt(arena, "%.*s: %.*s", STR_ARG(h.name),
			STR_ARG(text));
		if (contains(arena, text, needle))
			return true;
	}
	return false;
}

static bool text_contains(struct arena *arena, struct str message,
	const struct mime_part *part, struct str needle)
{
	struct str body = str_first(str_skip(message, part->body_at),
		part->body_len);
	struct str charset = mail_params_find(&part->params, "charset");
	struct buf plain = BUF_IN(arena), utf8 = BUF_IN(arena);
	struct mail_decoder decoder;

	mail_decoder_init(&decoder, mail_encoding_parse(part->encoding));
	mail_decode(&decoder, body, &plain);
	mail_decode_end(&decoder, &plain);
	if (charset.len == 0 || str_is_nocase(charset, "us-ascii"))
		charset = STR("utf-8");
	if (!mail_charset_format(&utf8, charset, buf_str(&plain)))
		return contains(arena, buf_str(&plain), needle);
	return contains(arena, buf_str(&utf8), needle);
}

bool imap_match_body(struct arena *arena, struct str message,
	const struct mime_part *root, struct str needle, bool with_headers)
{
	if (needle.len == 0)
		return true;
	if (with_headers && header_contains(arena,
		str_first(str_skip(message, root->header_at),
			root->header_len), needle))
		return true;
	if (root->kind == MIME_SINGLE)
		return str_is_nocase(root->type, "text") &&
			text_contains(arena, message, root, needle);
	for (const struct mime_part *p = root->children; p; p = p->next) {
		/* The header of an attached message is text of this one. */
		bool headers = with_headers || root->kind == MIME_MESSAGE;

		if (imap_match_body(arena, message, p, needle, headers))
			return true;
	}
	return false;
}
