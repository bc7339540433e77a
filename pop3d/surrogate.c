#include "surrogate.h"

#include "mail/word.h"

static const char nowhere[] = "invalid@internationalized-address.invalid";

/* What ends a word of a field: blanks, and what RFC 5322 3.2.3 calls
 * specials, but for those of an address. */
static bool is_word(unsigned char c)
{
	return c > ' ' && !strchr("()<>[]:;,\\\"", c);
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static void add_words(struct buf *out, struct str text)
{
	mail_words_format(out, text,
		str_is_utf8(text) ? "utf-8" : "unknown-8bit");
}

static bool is_address(struct str word)
{
	return str_find_char(word, '@') != SIZE_MAX;
}

/* A word that is not ASCII, and those like it behind it: blanks between two
 * encoded words are not seen, so they are inside. */
static struct str take_run(struct str *in)
{
	const char *start = in->p;
	struct str rest = *in, word = str_take_while(&rest, is_word);

	while (word.len > 0 && !str_is_ascii(word) && !is_address(word)) {
		*in = rest;
		(void)str_take_while(&rest, is_blank);
		word = str_take_while(&rest, is_word);
	}
	return str_of(start, (size_t)(in->p - start));
}

/* The inside of "..."; the quotes go if it needs encoded words. */
static bool take_quoted(struct buf *out, struct str *in)
{
	struct str rest = *in;
	size_t end;

	if (!str_take_char(&rest, '"'))
		return false;
	end = str_find_char(rest, '"');
	if (end == SIZE_MAX || str_find_char(str_first(rest, end), '\n') !=
		SIZE_MAX || str_is_ascii(str_first(rest, end)))
		return false;
	add_words(out, str_first(rest, end));
	*in = str_skip(rest, end + 1);
	return true;
}

static void format_piece(struct buf *out, struct str *in)
{
	struct str rest = *in, word = str_take_while(&rest, is_word);

	if (word.len == 0) {
		if (take_quoted(out, in))
			return;
		buf_add(out, str_first(*in, 1));
		*in = str_skip(*in, 1);
	} else if (str_is_ascii(word)) {
		buf_add(out, word);
		*in = rest;
	} else if (is_address(word)) {
		buf_text(out, nowhere);
		*in = rest;
	} else {
		add_words(out, take_run(in));
	}
}

void surrogate_format(struct buf *out, struct str header)
{
	while (header.len > 0)
		format_piece(out, &header);
}
