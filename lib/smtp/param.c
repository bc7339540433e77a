#include "smtp/param.h"

#include "base/base.h"
#include "base/encode.h"

enum {
	ENVID_MOST = 100, /* octets of xtext */
};

static bool is_keyword(unsigned char c)
{
	return ascii_is_alnum(c) || c == '-';
}

/* RFC 5321 4.1.2 esmtp-value; UTF-8 by RFC 6531 3.3. */
static bool is_value(unsigned char c)
{
	return c > ' ' && c != '=' && c != 0x7f;
}

bool smtp_param_take(struct str *in, struct smtp_param *param)
{
	struct str rest = *in;

	param->value = STR_NONE;
	param->keyword = str_take_while(&rest, is_keyword);
	if (param->keyword.len == 0 || param->keyword.p[0] == '-')
		return false;
	if (str_take_char(&rest, '=')) {
		param->value = str_take_while(&rest, is_value);
		if (param->value.len == 0)
			return false;
	}
	if (rest.len > 0 && !str_take_char(&rest, ' '))
		return false;
	while (str_take_char(&rest, ' '))
		;
	*in = rest;
	return true;
}

/* The bits of queue/submission.h, which is above this folder. */
static const struct {
	const char *name;
	unsigned bit;
} conditions[] = {
	{ "SUCCESS", 1 << 1 },
	{ "FAILURE", 1 << 2 },
	{ "DELAY", 1 << 3 },
};

bool smtp_notify_parse(struct str value, unsigned *notify)
{
	unsigned bits = 0;

	if (str_is_nocase(value, "NEVER")) {
		*notify = 1 << 0;
		return true;
	}
	if (value.len == 0 || str_ends(value, STR(",")))
		return false;
	while (value.len > 0) {
		struct str item = str_take_until(&value, ',');
		unsigned bit = 0;

		for (size_t i = 0; i < COUNT(conditions); i++)
			if (str_is_nocase(item, conditions[i].name))
				bit = conditions[i].bit;
		if (bit == 0)
			return false;
		bits |= bit;
	}
	*notify = bits;
	return true;
}

/* RFC 3461 4 xtext. */
static bool is_xtext(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= ' ' || c > '~' || c == '=')
			return false;
		if (c != '+')
			continue;
		if (text.len - i < 3 ||
			ascii_hex((unsigned char)text.p[i + 1]) < 0 ||
			ascii_hex((unsigned char)text.p[i + 2]) < 0)
			return false;
	}
	return text.len > 0;
}

/* RFC 6533 3: utf-8-addr-xtext and -unitext; "\x{...}" stands for more. */
static bool is_utf8_address(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c <= ' ' || c == 0x7f || c == '=')
			return false;
	}
	return text.len > 0 && str_is_utf8(text);
}

bool smtp_orcpt_parse(struct str value)
{
	size_t at = str_find_char(value, ';');
	struct str type = str_first(value, at);

	if (at == SIZE_MAX || type.len == 0)
		return false;
	for (size_t i = 0; i < type.len; i++)
		if (!is_keyword((unsigned char)type.p[i]))
			return false;
	if (str_is_nocase(type, "utf-8"))
		return is_utf8_address(str_skip(value, at + 1));
	return is_xtext(str_skip(value, at + 1));
}

bool smtp_ret_parse(struct str value, unsigned *ret)
{
	*ret = str_is_nocase(value, "FULL") ? 1 : 2;
	return *ret == 1 || str_is_nocase(value, "HDRS");
}

bool smtp_envid_parse(struct arena *arena, struct str value, struct str *envid)
{
	*envid = STR_NONE;
	if (value.len == 0 || value.len > ENVID_MOST)
		return false;
	*envid = xtext_parse(arena, value);
	for (size_t i = 0; i < envid->len; i++)
		if (!ascii_is_print((unsigned char)envid->p[i]))
			return false;
	return !str_is_none(*envid);
}
