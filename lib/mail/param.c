#include "mail/param.h"

#include "mail/word.h"

enum {
	COMMENT_DEPTH_MOST = 30,
	SECTIONS_MOST = 1000, /* RFC 2231 3: highest number */
};

static bool is_blank(unsigned char c)
{
	return ascii_is_blank(c);
}

/* A comment at the front; what does not end is taken whole. */
static void skip_comment(struct str *in)
{
	unsigned depth = 0;

	while (in->len > 0) {
		char c = in->p[0];

		*in = str_skip(*in, c == '\\' ? 2 : 1);
		if (c == '(' && depth < COMMENT_DEPTH_MOST)
			depth++;
		else if (c == ')' && --depth == 0)
			return;
	}
}

void mail_blanks_take(struct str *in)
{
	do
		(void)str_take_while(in, is_blank);
	while (in->len > 0 && in->p[0] == '(' && (skip_comment(in), true));
}

/* RFC 2045 5.1; octets above 127 are let through. */
static bool is_token(unsigned char c)
{
	return c > ' ' && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

bool mail_token_take(struct str *in, struct str *token)
{
	struct str rest = *in;

	mail_blanks_take(&rest);
	*token = str_take_while(&rest, is_token);
	if (token->len == 0)
		return false;
	mail_blanks_take(&rest);
	*in = rest;
	return true;
}

static struct str take_quoted(struct arena *arena, struct str *in)
{
	struct buf out = BUF_IN(arena);

	*in = str_skip(*in, 1);
	while (in->len > 0 && in->p[0] != '"') {
		if (in->p[0] == '\\' && in->len > 1)
			*in = str_skip(*in, 1);
		if (in->p[0] != '\r' && in->p[0] != '\n')
			buf_char(&out, in->p[0]);
		*in = str_skip(*in, 1);
	}
	*in = str_skip(*in, 1);
	return buf_str(&out);
}

static bool is_loose_value(unsigned char c)
{
	return c > ' ' && c != ';' && c != 0x7f;
}

/* A token or quoted string; also what others put there without quotes. */
static struct str take_value(struct arena *arena, struct str *in)
{
	mail_blanks_take(in);
	if (in->len > 0 && in->p[0] == '"')
		return take_quoted(arena, in);
	return str_take_while(in, is_loose_value);
}

/* "name*0*" taken apart. */
struct section {
	struct str name, value;
	unsigned number;
	bool has_number, is_encoded;
};

static void split_name(struct str name, struct section *section)
{
	uint64_t number;
	size_t star;

	if (str_ends(name, STR("*"))) {
		section->is_encoded = true;
		name = str_first(name, name.len - 1);
	}
	star = str_rfind_char(name, '*');
	if (star != SIZE_MAX && star > 0 && str_parse_u64(str_skip(name,
		star + 1), SECTIONS_MOST, &number)) {
		section->has_number = true;
		section->number = (unsigned)number;
		name = str_first(name, star);
	}
	section->name = name;
}

static bool take_section(struct arena *arena, struct str *in,
	struct section *section)
{
	struct str name;

	*section = (struct section){ 0 };
	while (in->len > 0) {
		mail_blanks_take(in);
		if (str_take_char(in, ';'))
			continue;
		if (mail_token_take(in, &name) && str_take_char(in, '=')) {
			section->value = take_value(arena, in);
			split_name(name, section);
			return true;
		}
		(void)str_take_until(in, ';');
	}
	return false;
}

static void format_percent(struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.len; i++) {
		int high = -1, low = -1;

		if (in.p[i] == '%' && i + 2 < in.len) {
			high = ascii_hex((unsigned char)in.p[i + 1]);
			low = ascii_hex((unsigned char)in.p[i + 2]);
		}
		if (high < 0 || low < 0) {
			buf_char(out, in.p[i]);
			continue;
		}
		buf_char(out, (char)(high << 4 | low));
		i += 2;
	}
}

/* charset'language'text: the charset, and `value` moved to the text. */
static struct str take_charset(struct str *value)
{
	size_t first = str_find_char(*value, '\'');
	size_t second;

	if (first == SIZE_MAX)
		return STR_NONE;
	second = str_find_char(str_skip(*value, first + 1), '\'');
	if (second == SIZE_MAX)
		return STR_NONE;
	*value = str_skip(*value, first + second + 2);
	return str_of(value->p - second - first - 2, first);
}

static const struct section *find_section(const struct section *sections,
	size_t count, struct str name, unsigned number)
{
	for (size_t i = 0; i < count; i++)
		if (sections[i].has_number && sections[i].number == number &&
			str_eq_nocase(sections[i].name, name))
			return &sections[i];
	return NULL;
}

static void add_section(const struct section *section, bool is_first,
	struct mail_param *param, struct buf *octets)
{
	struct str value = section->value;

	if (is_first && section->is_encoded)
		param->charset = take_charset(&value);
	if (section->is_encoded)
		format_percent(octets, value);
	else
		buf_add(octets, value);
}

static void to_utf8(struct arena *arena, struct mail_param *param,
	struct str octets)
{
	struct buf out = BUF_IN(arena);

	param->value = octets;
	if (param->charset.len > 0 &&
		mail_charset_format(&out, param->charset, octets))
		param->value = buf_str(&out);
}

/* Join what belongs to sections[at]. */
static void join(struct arena *arena, const struct section *sections,
	size_t count, size_t at, struct mail_param *param)
{
	const struct section *section = &sections[at];
	struct buf octets = BUF_IN(arena);
	unsigned number = 0;

	*param = (struct mail_param){ .name = section->name };
	if (!section->has_number) {
		add_section(section, true, param, &octets);
		to_utf8(arena, param, buf_str(&octets));
		return;
	}
	while ((section = find_section(sections, count, param->name, number))) {
		add_section(section, number == 0, param, &octets);
		number++;
	}
	to_utf8(arena, param, buf_str(&octets));
}

static const struct mail_param *find(const struct mail_params *params,
	struct str name)
{
	for (size_t i = 0; i < params->count; i++)
		if (str_eq_nocase(params->items[i].name, name))
			return &params->items[i];
	return NULL;
}

void mail_params_parse(struct arena *arena, struct str text,
	struct mail_params *params)
{
	struct section *sections = NULL;
	size_t count = 0, capacity = 0;

	*params = (struct mail_params){ 0 };
	arena_grow(arena, &sections, &capacity, 8, sizeof(*sections));
	while (count < MAIL_PARAMS_MOST) {
		arena_grow(arena, &sections, &capacity, count + 1,
			sizeof(*sections));
		if (!take_section(arena, &text, &sections[count]))
			break;
		count++;
	}
	if (count == 0)
		return;
	params->items = arena_array(arena, count, sizeof(*params->items));
	for (size_t i = 0; i < count; i++)
		if (!find(params, sections[i].name))
			join(arena, sections, count, i,
				&params->items[params->count++]);
}

struct str mail_params_find(const struct mail_params *params, const char *name)
{
	const struct mail_param *param = find(params, str_from(name));

	return param ? param->value : STR_NONE;
}
