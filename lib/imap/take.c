#include "imap/take.h"

enum {
	QUOTED_MOST = 16384,
};

static bool is_special(unsigned char c)
{
	return c == '(' || c == ')' || c == '{' || c == '"' || c == '\\' ||
		c == '%' || c == '*' || c <= ' ' || c == 0x7f;
}

static bool is_atom(unsigned char c)
{
	return !is_special(c) && c != ']' && c < 0x80;
}

/* 8-bit octets are no ASTRING-CHAR, but clients that have not heard of
 * mUTF-7 send them in mailbox names; the name is checked where it is used. */
static bool is_astring(unsigned char c)
{
	return !is_special(c);
}

static bool is_tag(unsigned char c)
{
	return !is_special(c) && c != '+' && c < 0x80;
}

static bool is_pattern(unsigned char c)
{
	return !is_special(c) || c == '%' || c == '*';
}

static bool take_run(struct str *in, bool (*is)(unsigned char),
	struct str *run)
{
	struct str rest = *in;

	*run = str_take_while(&rest, is);
	if (run->len == 0)
		return false;
	*in = rest;
	return true;
}

bool imap_take_space(struct str *in)
{
	return str_take_char(in, ' ');
}

bool imap_take_atom(struct str *in, struct str *atom)
{
	return take_run(in, is_atom, atom);
}

bool imap_take_tag(struct str *in, struct str *tag)
{
	return take_run(in, is_tag, tag);
}

bool imap_take_number64(struct str *in, uint64_t *number)
{
	return str_take_u64(in, INT64_MAX, number);
}

bool imap_take_number(struct str *in, uint32_t *number)
{
	uint64_t value;

	if (!str_take_u64(in, UINT32_MAX, &value))
		return false;
	*number = (uint32_t)value;
	return true;
}

bool imap_take_nz_number(struct str *in, uint32_t *number)
{
	struct str rest = *in;

	if (!imap_take_number(&rest, number) || *number == 0)
		return false;
	*in = rest;
	return true;
}

bool imap_take_literal(struct str *in, struct str *literal)
{
	struct str rest = *in;
	uint64_t octets;

	if (!str_take_char(&rest, '{') ||
		!str_take_u64(&rest, UINT32_MAX, &octets))
		return false;
	str_take_char(&rest, '+');
	if (!str_take_prefix(&rest, STR("}\r\n")) || octets > rest.len)
		return false;
	*literal = str_first(rest, (size_t)octets);
	*in = str_skip(rest, (size_t)octets);
	return true;
}

static bool take_quoted(struct arena *arena, struct str *in,
	struct str *string)
{
	struct str rest = *in;
	size_t at = 0, escapes = 0;
	char *copy;

	if (!str_take_char(&rest, '"'))
		return false;
	for (; at < rest.len && rest.p[at] != '"'; at++) {
		unsigned char c = (unsigned char)rest.p[at];

		if (c == '\r' || c == '\n' || c == 0 || at > QUOTED_MOST)
			return false;
		if (c == '\\') {
			at++;
			escapes++;
			if (at >= rest.len ||
				(rest.p[at] != '"' && rest.p[at] != '\\'))
				return false;
		}
	}
	if (at >= rest.len)
		return false;
	*in = str_skip(rest, at + 1);
	*string = str_first(rest, at);
	if (escapes == 0)
		return true;
	copy = arena_alloc(arena, at + 1);
	at = 0;
	for (size_t i = 0; i < string->len; i++) {
		if (string->p[i] == '\\')
			i++;
		copy[at++] = string->p[i];
	}
	*string = str_of(copy, at);
	return true;
}

bool imap_take_string(struct arena *arena, struct str *in, struct str *string)
{
	return take_quoted(arena, in, string) || imap_take_literal(in, string);
}

bool imap_take_nstring(struct arena *arena, struct str *in,
	struct str *string)
{
	if (str_take_prefix_nocase(in, STR("NIL"))) {
		*string = STR_NONE;
		return true;
	}
	return imap_take_string(arena, in, string);
}

bool imap_take_astring(struct arena *arena, struct str *in,
	struct str *string)
{
	return take_run(in, is_astring, string) ||
		imap_take_string(arena, in, string);
}

bool imap_take_pattern(struct arena *arena, struct str *in,
	struct str *pattern)
{
	return take_run(in, is_pattern, pattern) ||
		imap_take_string(arena, in, pattern);
}

static const struct {
	const char *name;
	unsigned bit;
} system_flags[] = {
	{ "\\Answered", IMAP_ANSWERED },
	{ "\\Flagged",  IMAP_FLAGGED  },
	{ "\\Deleted",  IMAP_DELETED  },
	{ "\\Seen",     IMAP_SEEN     },
	{ "\\Draft",    IMAP_DRAFT    },
	{ "\\Recent",   IMAP_RECENT   },
};

const char *imap_flag_name(unsigned bit)
{
	for (size_t i = 0; i < COUNT(system_flags); i++)
		if (system_flags[i].bit == bit)
			return system_flags[i].name;
	return NULL;
}

static bool take_system_flag(struct str *in, struct imap_flags *flags)
{
	struct str rest = *in, word;

	if (!str_take_char(&rest, '\\') || !imap_take_atom(&rest, &word))
		return false;
	word = str_of(in->p, word.len + 1);
	for (size_t i = 0; i < COUNT(system_flags); i++)
		if (str_is_nocase(word, system_flags[i].name) &&
			system_flags[i].bit != IMAP_RECENT) {
			flags->system |= system_flags[i].bit;
			*in = rest;
			return true;
		}
	return false;
}

static bool take_flag(struct str *in, struct imap_flags *flags)
{
	struct str rest = *in, word;

	if (take_system_flag(in, flags))
		return true;
	if (!imap_take_atom(&rest, &word) || word.len > IMAP_KEYWORD_MOST)
		return false;
	*in = rest;
	for (size_t i = 0; i < flags->count; i++)
		if (str_eq_nocase(flags->keywords[i], word))
			return true;
	if (flags->count == IMAP_FLAGS_MOST)
		return false;
	flags->keywords[flags->count++] = word;
	return true;
}

bool imap_take_flags(struct str *in, bool bare, struct imap_flags *flags)
{
	struct str rest = *in;
	bool in_list = str_take_char(&rest, '(');

	*flags = (struct imap_flags){ 0 };
	if (!in_list && !bare)
		return false;
	if (in_list && str_take_char(&rest, ')')) {
		*in = rest;
		return true;
	}
	do {
		if (!take_flag(&rest, flags))
			return false;
	} while (str_take_char(&rest, ' '));
	if (in_list && !str_take_char(&rest, ')'))
		return false;
	*in = rest;
	return true;
}

bool imap_literal_follows(struct str line, uint64_t *octets, bool *plus)
{
	size_t at = str_rfind_char(line, '{');
	struct str rest;

	if (at == SIZE_MAX || !str_ends(line, STR("}")))
		return false;
	rest = str_skip(line, at + 1);
	if (!str_take_u64(&rest, INT64_MAX, octets))
		return false;
	*plus = str_take_char(&rest, '+');
	return str_is(rest, "}");
}
