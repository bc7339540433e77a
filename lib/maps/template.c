#include "maps/template.h"

/* The part of an address behind its last '@'; NONE: there is none. */
static struct str domain_of(struct str address)
{
	size_t at = str_rfind_char(address, '@');

	if (at == SIZE_MAX || at + 1 == address.len)
		return STR_NONE;
	return str_skip(address, at + 1);
}

static struct str user_of(struct str address)
{
	size_t at = str_rfind_char(address, '@');

	if (at == 0)
		return STR_NONE;
	return at == SIZE_MAX ? address : str_first(address, at);
}

/* The number-th label from the right. */
static struct str label_of(struct str address, int number)
{
	struct str domain = domain_of(address), label = STR_NONE;

	for (; number > 0; number--) {
		size_t dot;

		if (str_is_none(domain))
			return STR_NONE;
		dot = str_rfind_char(domain, '.');
		label = dot == SIZE_MAX ? domain : str_skip(domain, dot + 1);
		domain = dot == SIZE_MAX ? STR_NONE : str_first(domain, dot);
	}
	return label.len > 0 ? label : STR_NONE;
}

static struct str part_of(char letter, struct str value, struct str key)
{
	switch (letter) {
	case 's':
		return value;
	case 'S':
		return key;
	case 'u':
		return user_of(value);
	case 'U':
		return user_of(key);
	case 'd':
		return domain_of(value);
	case 'D':
		return domain_of(key);
	default:
		return label_of(key, letter - '0');
	}
}

static bool is_letter(char c)
{
	return (c >= '1' && c <= '9') || memchr("sSuUdD", c, 6);
}

const char *template_fault(struct str template)
{
	for (size_t i = 0; i < template.len; i++) {
		if (template.p[i] != '%')
			continue;
		if (++i == template.len)
			return "'%' at the end";
		if (template.p[i] != '%' && !is_letter(template.p[i]))
			return "unknown letter after '%'";
	}
	return NULL;
}

static bool put(struct buf *out, struct str part,
	const struct template_quoting *quoting)
{
	if (str_is_none(part))
		return false;
	if (quoting && quoting->quote)
		return quoting->quote(quoting->context, part, out);
	buf_add(out, part);
	return true;
}

bool template_format(struct str template, struct str value, struct str key,
	const struct template_quoting *quoting, struct buf *out)
{
	if (str_is_none(key))
		key = value;
	for (size_t i = 0; i < template.len; i++) {
		char c = template.p[i];

		if (c != '%' || i + 1 == template.len) {
			buf_char(out, c);
			continue;
		}
		c = template.p[++i];
		if (c == '%')
			buf_char(out, c);
		else if (!is_letter(c) ||
			!put(out, part_of(c, value, key), quoting))
			return false;
	}
	return !out->failed;
}
