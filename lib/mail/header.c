#include "mail/header.h"

bool mail_header_is_name_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != ':';
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* Length of the line at the front with its end. */
static size_t line_length(struct str in)
{
	size_t at = str_find_char(in, '\n');

	return at == SIZE_MAX ? in.len : at + 1;
}

static bool is_folded(struct str rest)
{
	return rest.len > 0 && is_blank((unsigned char)rest.p[0]);
}

bool mail_header_take(struct str *in, struct mail_header *header)
{
	struct str rest = *in, name;
	size_t len;

	name = str_take_while(&rest, mail_header_is_name_char);
	if (name.len == 0)
		return false;
	(void)str_take_while(&rest, is_blank);
	if (!str_take_char(&rest, ':'))
		return false;
	len = line_length(rest);
	while (is_folded(str_skip(rest, len)))
		len += line_length(str_skip(rest, len));
	header->name = name;
	header->body = str_trim(str_first(rest, len));
	rest = str_skip(rest, len);
	header->raw = str_first(*in, (size_t)(rest.p - in->p));
	*in = rest;
	return true;
}

bool mail_header_take_end(struct str *in)
{
	return str_take_prefix(in, STR("\r\n")) || str_take_char(in, '\n');
}

size_t mail_header_length(struct str message, bool *is_complete)
{
	struct str rest = message;
	struct mail_header header;
	bool complete;

	while (mail_header_take(&rest, &header))
		;
	complete = mail_header_take_end(&rest);
	if (is_complete)
		*is_complete = complete;
	return message.len - rest.len;
}

bool mail_header_is(const struct mail_header *header, const char *name)
{
	return str_is_nocase(header->name, name);
}

bool mail_header_find(struct str message, const char *name,
	struct mail_header *header)
{
	while (mail_header_take(&message, header))
		if (mail_header_is(header, name))
			return true;
	return false;
}

struct str mail_header_unfold(struct arena *arena, struct str body)
{
	struct buf out = BUF_IN(arena);

	if (str_find_char(body, '\n') == SIZE_MAX)
		return body;
	for (struct str line; str_take_line(&body, &line);)
		buf_add(&out, line);
	return buf_str(&out);
}
