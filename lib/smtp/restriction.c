#include "smtp/restriction.h"

/* clang-format off */
#define DONE true
#define GUARD false
static const struct restriction_row rows[] = {
#define RESTRICTION(name, function, subject, argument, support) \
	[RESTRICTION_##name] = { #name, ABOUT_##subject, TAKES_##argument, \
		support },
#include "smtp/restrictions.def"
#undef RESTRICTION
};
#undef DONE
#undef GUARD
/* clang-format on */

/* What a table alone in a list means. */
static const enum restriction_id by_subject[] = {
	[ABOUT_NOBODY] = RESTRICTION_check_recipient_access,
	[ABOUT_CLIENT] = RESTRICTION_check_client_access,
	[ABOUT_HELO] = RESTRICTION_check_helo_access,
	[ABOUT_SENDER] = RESTRICTION_check_sender_access,
	[ABOUT_RECIPIENT] = RESTRICTION_check_recipient_access,
	[ABOUT_ETRN] = RESTRICTION_check_etrn_access,
};

struct parser {
	struct arena *arena;
	const struct conf *conf;
	struct str name;
	enum restriction_subject about;
	bool no_tables;
	unsigned depth;
};

static bool is_separator(char c)
{
	return c == ',' || ascii_is_blank((unsigned char)c);
}

/* The next element; braces keep blanks and commas together. */
static bool take_element(struct str *in, struct str *element)
{
	size_t len = 0, depth = 0;

	while (in->len > 0 && is_separator(in->p[0]))
		*in = str_skip(*in, 1);
	while (len < in->len && (depth > 0 || !is_separator(in->p[len]))) {
		if (in->p[len] == '{')
			depth++;
		else if (in->p[len] == '}' && depth > 0)
			depth--;
		len++;
	}
	*element = str_first(*in, len);
	*in = str_skip(*in, len);
	return len > 0;
}

static enum restriction_id find_row(struct str name)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (str_is_nocase(name, rows[i].name))
			return (enum restriction_id)i;
	return RESTRICTION_BAD;
}

static bool is_table(struct str text)
{
	return str_find_char(text, ':') != SIZE_MAX;
}

static void set_bad(struct parser *parser, struct restriction *item,
	const char *format, struct str what)
{
	item->id = RESTRICTION_BAD;
	item->row = NULL;
	item->problem = arena_fmt(parser->arena, "%s \"%.*s\"", format,
		STR_ARG(what));
}

static bool is_class(const struct conf *conf, struct str name)
{
	struct str rest = conf->smtpd_restriction_classes, item;

	while (str_take_item(&rest, ", \t\r\n", &item))
		if (str_eq(item, name))
			return true;
	return false;
}

static struct restriction_list *parse(struct parser *parser, struct str text);

static void parse_class(struct parser *parser, struct restriction *item)
{
	struct parser inner = *parser;
	struct str text = conf_text(parser->conf, item->name);

	inner.name = item->name;
	if (++inner.depth > RESTRICTION_DEPTH_MOST) {
		set_bad(parser, item, "restriction classes nest too deep:",
			item->name);
		return;
	}
	if (str_is_none(text)) {
		set_bad(parser, item, "restriction class needs a definition:",
			item->name);
		return;
	}
	item->id = RESTRICTION_CLASS;
	item->list = parse(&inner, text);
}

static void take_argument(struct parser *parser, struct str *in,
	struct restriction *item)
{
	uint64_t number;

	if (item->row->argument == TAKES_NONE)
		return;
	if (!take_element(in, &item->argument)) {
		set_bad(parser, item, "restriction needs an argument:",
			item->name);
		return;
	}
	if (item->row->argument == TAKES_MAP && !is_table(item->argument))
		set_bad(parser, item, "restriction needs a table type:name:",
			item->name);
	else if (item->row->argument == TAKES_NUMBER &&
		!str_parse_u64(item->argument, 3600, &number))
		set_bad(parser, item, "restriction needs a number:",
			item->name);
}

static void parse_item(struct parser *parser, struct str *in,
	struct restriction *item)
{
	/* Class names keep their case; they win over nothing that we know. */
	if (is_class(parser->conf, item->name)) {
		parse_class(parser, item);
		return;
	}
	item->id = find_row(item->name);
	if (item->id == RESTRICTION_BAD && is_table(item->name)) {
		item->id = by_subject[parser->about];
		item->argument = item->name;
		item->row = &rows[item->id];
	} else if (item->id != RESTRICTION_BAD) {
		item->row = &rows[item->id];
		take_argument(parser, in, item);
	}
	if (item->id == RESTRICTION_BAD) {
		if (str_is_none(item->problem))
			set_bad(parser, item, "unknown smtpd restriction:",
				item->name);
		return;
	}
	if (!item->row->is_done)
		set_bad(parser, item, "restriction is not supported:",
			item->name);
	else if (parser->no_tables && item->row->argument == TAKES_MAP)
		set_bad(parser, item, "access maps should not contain:",
			item->name);
}

static struct restriction_list *parse(struct parser *parser, struct str text)
{
	struct restriction_list *list =
		arena_new_of(parser->arena, struct restriction_list);
	size_t capacity = 0;
	bool warn = false;
	struct str name;

	list->name = arena_copy(parser->arena, parser->name);
	text = arena_copy(parser->arena, text);
	while (take_element(&text, &name)) {
		struct restriction *item;

		if (str_is_nocase(name, "warn_if_reject")) {
			warn = true;
			continue;
		}
		arena_grow(parser->arena, &list->items, &capacity,
			list->count + 1, sizeof(*list->items));
		item = &list->items[list->count++];
		*item = (struct restriction){ .name = name, .warn = warn };
		parse_item(parser, &text, item);
		warn = false;
	}
	return list;
}

struct restriction_list *restrictions_parse(struct arena *arena,
	const struct conf *conf, struct str name, struct str text,
	enum restriction_subject about)
{
	struct parser parser = {
		.arena = arena, .conf = conf, .name = name, .about = about,
	};

	return parse(&parser, text);
}

struct restriction_list *restrictions_parse_action(struct arena *arena,
	const struct conf *conf, struct str name, struct str text)
{
	struct parser parser = {
		.arena = arena, .conf = conf, .name = name, .no_tables = true,
	};

	return parse(&parser, text);
}

bool restrictions_protect(const struct restriction_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct restriction *item = &list->items[i];

		if (item->warn)
			continue;
		if (item->id == RESTRICTION_reject_unauth_destination ||
			item->id == RESTRICTION_defer_unauth_destination ||
			item->id == RESTRICTION_reject ||
			item->id == RESTRICTION_defer ||
			item->id == RESTRICTION_defer_if_permit)
			return true;
		if (item->id == RESTRICTION_CLASS &&
			restrictions_protect(item->list))
			return true;
		if (item->id == RESTRICTION_permit)
			return false; /* what stands behind it never works */
	}
	return false;
}

const struct restriction_parameter restriction_parameters[] = {
	{ "smtpd_client_restrictions", ABOUT_CLIENT },
	{ "smtpd_helo_restrictions", ABOUT_HELO },
	{ "smtpd_sender_restrictions", ABOUT_SENDER },
	{ "smtpd_relay_restrictions", ABOUT_RECIPIENT },
	{ "smtpd_recipient_restrictions", ABOUT_RECIPIENT },
	{ "smtpd_data_restrictions", ABOUT_RECIPIENT },
	{ "smtpd_end_of_data_restrictions", ABOUT_RECIPIENT },
	{ "smtpd_etrn_restrictions", ABOUT_ETRN },
	{ NULL, ABOUT_NOBODY },
};
