#include "config/list.h"

static const char usual[] = ", \t\r\n";

static bool is_one_of(char c, const char *set)
{
	/* There are few, and these lists are read for each client. */
	for (; *set; set++)
		if (*set == c)
			return true;
	return false;
}

/* Octets up to and with the brace that closes the first one; all of `in` if
 * there is none. */
static size_t braced_len(struct str in)
{
	size_t depth = 0;

	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] == '{')
			depth++;
		else if (in.p[i] == '}' && --depth == 0)
			return i + 1;
	}
	return in.len;
}

bool list_take_by(struct str *in, const char *separators, struct str *element)
{
	size_t len = 0;

	while (in->len > 0 && is_one_of(in->p[0], separators))
		*in = str_skip(*in, 1);
	while (len < in->len && !is_one_of(in->p[len], separators))
		len += in->p[len] == '{' ? braced_len(str_skip(*in, len)) : 1;
	*element = str_first(*in, len);
	*in = str_skip(*in, len);
	return len > 0;
}

bool list_take(struct str *in, struct str *element)
{
	return list_take_by(in, usual, element);
}

bool list_unbrace(struct str *element)
{
	if (element->len < 2 || element->p[0] != '{' ||
		braced_len(*element) != element->len ||
		element->p[element->len - 1] != '}')
		return false;
	*element = str_trim(str_of(element->p + 1, element->len - 2));
	return true;
}

static bool is_type(unsigned char c)
{
	return ascii_is_alnum(c) || c == '_' || c == '-';
}

bool list_split_table(struct str element, struct str *type, struct str *name)
{
	struct str rest = element;

	*type = str_take_while(&rest, is_type);
	if (type->len == 0 || !str_take_char(&rest, ':'))
		return false;
	*name = rest;
	/* fe80::1 is an address */
	return rest.len > 0 && rest.p[0] != ':' &&
		ascii_is_alpha((unsigned char)type->p[0]);
}

bool list_split_pair(struct str text, struct str *name, struct str *value)
{
	size_t equals = str_find_char(text, '=');

	if (equals == SIZE_MAX)
		return false;
	*name = str_trim(str_first(text, equals));
	*value = str_trim(str_skip(text, equals + 1));
	return name->len > 0;
}

bool list_has_word(struct str list, const char *word)
{
	struct str item;

	while (list_take(&list, &item))
		if (str_is_nocase(item, word))
			return true;
	return false;
}
