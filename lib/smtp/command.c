#include "smtp/command.h"

bool smtp_command_parse(struct str line, struct smtp_command *command)
{
	struct str rest = str_trim(line);

	command->verb = str_take_word(&rest);
	command->arguments = str_trim(rest);
	return command->verb.len > 0;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

bool smtp_keyword_take(struct str *in, const char *keyword)
{
	struct str rest = *in;

	if (!str_take_prefix_nocase(&rest, str_from(keyword)))
		return false;
	(void)str_take_while(&rest, is_blank);
	if (!str_take_char(&rest, ':'))
		return false;
	(void)str_take_while(&rest, is_blank);
	*in = rest;
	return true;
}

bool smtp_bdat_parse(struct str arguments, struct smtp_bdat *bdat)
{
	struct str size = str_take_word(&arguments);
	struct str last = str_trim(arguments);

	*bdat = (struct smtp_bdat){ .is_last = last.len > 0 };
	if (last.len > 0 && !str_is_nocase(last, "LAST"))
		return false;
	return str_parse_u64(size, INT64_MAX, &bdat->octets);
}

bool smtp_is_mechanism(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (!ascii_is_alnum(c) && c != '-' && c != '_')
			return false;
	}
	return name.len >= 1 && name.len <= 20;
}

bool smtp_is_hello(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c <= ' ' || c == 0x7f || c == '(' || c == ')')
			return false;
	}
	return name.len > 0 && name.len <= 512 && str_is_utf8(name);
}
