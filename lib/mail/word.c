#include "mail/word.h"

static void format_utf8(struct buf *out, unsigned code)
{
	if (code < 0x80) {
		buf_char(out, (char)code);
	} else if (code < 0x800) {
		buf_char(out, (char)(0xc0 | code >> 6));
		buf_char(out, (char)(0x80 | (code & 0x3f)));
	} else {
		buf_char(out, (char)(0xe0 | code >> 12));
		buf_char(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_char(out, (char)(0x80 | (code & 0x3f)));
	}
}

/* windows-1252, 0x80 to 0x9f; 0: not assigned. */
static const uint16_t windows_1252[32] = {
	0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
	0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static unsigned from_latin1(unsigned char c)
{
	return c;
}

static unsigned from_latin9(unsigned char c)
{
	static const struct {
		unsigned char from;
		uint16_t to;
	} differs[] = {
		{ 0xa4, 0x20ac }, { 0xa6, 0x0160 }, { 0xa8, 0x0161 },
		{ 0xb4, 0x017d }, { 0xb8, 0x017e }, { 0xbc, 0x0152 },
		{ 0xbd, 0x0153 }, { 0xbe, 0x0178 },
	};

	for (size_t i = 0; i < COUNT(differs); i++)
		if (differs[i].from == c)
			return differs[i].to;
	return c;
}

static unsigned from_windows_1252(unsigned char c)
{
	unsigned code = c >= 0x80 && c < 0xa0 ? windows_1252[c - 0x80] : c;

	return code ? code : 0xfffd;
}

static unsigned from_ascii(unsigned char c)
{
	return c < 0x80 ? c : 0xfffd;
}

static const struct {
	const char *name;
	unsigned (*from)(unsigned char c); /* NULL: is UTF-8 */
} charsets[] = {
	{ "utf-8", NULL },
	{ "utf8", NULL },
	{ "us-ascii", from_ascii },
	{ "ascii", from_ascii },
	{ "iso-8859-1", from_latin1 },
	{ "latin1", from_latin1 },
	{ "iso-8859-15", from_latin9 },
	{ "windows-1252", from_windows_1252 },
	{ "cp1252", from_windows_1252 },
};

bool mail_charset_format(struct buf *out, struct str charset, struct str octets)
{
	for (size_t i = 0; i < COUNT(charsets); i++) {
		if (!str_is_nocase(charset, charsets[i].name))
			continue;
		if (!charsets[i].from)
			return str_is_utf8(octets) &&
				(buf_add(out, octets), true);
		for (size_t k = 0; k < octets.len; k++)
			format_utf8(out, charsets[i].from(
				(unsigned char)octets.p[k]));
		return true;
	}
	return false;
}

static bool is_base64(unsigned char c)
{
	return ascii_is_alnum(c) || c == '+' || c == '/';
}

static unsigned sextet(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	return c == '+' ? 62 : 63;
}

/* RFC 2047 4.1; missing padding is forgiven. */
static bool decode_b(struct buf *out, struct str text)
{
	uint32_t bits = 0;
	unsigned count = 0;

	while (text.len > 0 && is_base64((unsigned char)text.p[0])) {
		bits = bits << 6 | sextet((unsigned char)text.p[0]);
		count += 6;
		if (count >= 8) {
			count -= 8;
			buf_char(out, (char)(bits >> count & 0xff));
		}
		text = str_skip(text, 1);
	}
	while (str_take_char(&text, '='))
		;
	return text.len == 0;
}

/* RFC 2047 4.2. */
static bool decode_q(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.p[i] != '=') {
			buf_char(out, text.p[i] == '_' ? ' ' : text.p[i]);
			continue;
		}
		if (text.len - i < 3)
			return false;
		high = ascii_hex((unsigned char)text.p[i + 1]);
		low = ascii_hex((unsigned char)text.p[i + 2]);
		if (high < 0 || low < 0)
			return false;
		buf_char(out, (char)(high << 4 | low));
		i += 2;
	}
	return true;
}

static bool is_token(unsigned char c)
{
	return c > ' ' && c < 0x7f && !strchr("()<>@,;:\"/[]?.=", c);
}

static bool is_text(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '?';
}

struct word {
	struct str charset, octets;
};

/* Take "=?charset?b?text?=" and decode its octets. */
static bool take_word(struct arena *arena, struct str *in, struct word *word)
{
	struct str rest = *in, text;
	struct buf octets = BUF_IN(arena);
	unsigned char encoding;
	bool ok;

	if (!str_take_prefix(&rest, STR("=?")))
		return false;
	word->charset = str_take_while(&rest, is_token);
	if (word->charset.len == 0 || !str_take_char(&rest, '?') ||
		rest.len == 0)
		return false;
	encoding = ascii_lower((unsigned char)rest.p[0]);
	rest = str_skip(rest, 1);
	if (!str_take_char(&rest, '?'))
		return false;
	text = str_take_while(&rest, is_text);
	if (!str_take_prefix(&rest, STR("?=")))
		return false;
	ok = encoding == 'b' ? decode_b(&octets, text) :
		encoding == 'q' && decode_q(&octets, text);
	if (!ok)
		return false;
	/* RFC 2231 5 */
	word->charset = str_first(word->charset,
		str_find_char(word->charset, '*'));
	word->octets = buf_str(&octets);
	*in = rest;
	return true;
}

static bool is_blank(unsigned char c)
{
	return ascii_is_blank(c);
}

/* Octets of one charset, collected over adjacent words: a character may have
 * been cut in two. */
struct run {
	mail_charset_fn *format;
	struct str charset;
	struct buf octets;
	size_t source; /* where its first word begins */
};

static void end_run(struct buf *out, struct run *run, struct str source)
{
	if (run->octets.len > 0 && !run->format(out, run->charset,
		buf_str(&run->octets)))
		buf_add(out, source);
	buf_clear(&run->octets);
}

struct str mail_words_decode_by(struct arena *arena, struct str text,
	mail_charset_fn *format)
{
	struct buf out = BUF_IN(arena);
	struct run run = { .format = format, .octets = BUF_IN(arena) };
	struct str rest = text, source = STR_NONE;
	struct word word;

	if (str_find(text, STR("=?")) == SIZE_MAX)
		return text;
	while (rest.len > 0) {
		struct str at = rest, blanks = str_take_while(&rest, is_blank);
		const char *start = rest.p;

		if (take_word(arena, &rest, &word)) {
			if (run.octets.len == 0 ||
				!str_eq_nocase(run.charset, word.charset)) {
				bool adjacent = run.octets.len > 0;

				end_run(&out, &run, source);
				if (!adjacent)
					buf_add(&out, blanks);
				source = str_of(start, 0);
				run.charset = word.charset;
			}
			buf_add(&run.octets, word.octets);
			source.len = (size_t)(rest.p - source.p);
			continue;
		}
		end_run(&out, &run, source);
		if (rest.len > 0)
			rest = str_skip(rest, 1);
		buf_add(&out, str_first(at, at.len - rest.len));
	}
	end_run(&out, &run, source);
	return buf_str(&out);
}

struct str mail_words_decode(struct arena *arena, struct str text)
{
	return mail_words_decode_by(arena, text, mail_charset_format);
}

/* What may stand unencoded in a "q" word anywhere, RFC 2047 5 (3). */
static bool is_q_safe(unsigned char c)
{
	return ascii_is_alnum(c) || (c != 0 && strchr("!*+-/", c) != NULL);
}

static size_t q_cost(unsigned char c)
{
	return is_q_safe(c) || c == ' ' ? 1 : 3;
}

static void format_q(struct buf *out, unsigned char c)
{
	if (is_q_safe(c))
		buf_char(out, (char)c);
	else if (c == ' ')
		buf_char(out, '_');
	else
		buf_fmt(out, "=%02X", c);
}

/* Octets of the character at the front; 1 where it is not UTF-8. */
static size_t char_length(struct str text)
{
	for (size_t len = 1; len <= 4 && len <= text.len; len++)
		if (str_is_utf8(str_first(text, len)))
			return len;
	return 1;
}

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_print((unsigned char)text.p[i]) &&
			text.p[i] != '\t')
			return false;
	return str_find(text, STR("=?")) == SIZE_MAX;
}

void mail_words_format(struct buf *out, struct str text, const char *charset)
{
	size_t frame = strlen(charset) + strlen("=?" "?q?" "?=");
	size_t room = 0;
	bool is_open = false; /* a word */

	if (is_plain(text)) {
		buf_add(out, text);
		return;
	}
	while (text.len > 0) {
		size_t len = char_length(text), cost = 0;

		for (size_t i = 0; i < len; i++)
			cost += q_cost((unsigned char)text.p[i]);
		if (room < cost) {
			buf_fmt(out, "%s=?%s?q?", is_open ? "?= " : "",
				charset);
			is_open = true;
			room = frame + 12 < MAIL_WORD_MOST ?
				MAIL_WORD_MOST - frame : 12;
		}
		for (size_t i = 0; i < len; i++)
			format_q(out, (unsigned char)text.p[i]);
		room -= cost;
		text = str_skip(text, len);
	}
	buf_text(out, "?=");
}
