#include "agent/alias.h"

#include "mail/list.h"

struct parser {
	struct arena *arena;
	struct alias_list *list;
	size_t capacity;
};

/* Where an element ends: at a comma that is in no quotes, comment or <>. */
struct scan {
	bool quoted, angle;
	unsigned comments;
};

static bool ends_at(struct scan *scan, char c)
{
	if (c == '"' && scan->comments == 0)
		scan->quoted = !scan->quoted;
	else if (scan->quoted)
		return false;
	else if (c == '(')
		scan->comments++;
	else if (c == ')' && scan->comments > 0)
		scan->comments--;
	else if (scan->comments == 0 && (c == '<' || c == '>'))
		scan->angle = c == '<';
	return c == ',' && scan->comments == 0 && !scan->angle;
}

static struct str take_element(struct str *in)
{
	struct scan scan = { 0 };
	struct str element;
	size_t at = 0;

	while (at < in->len && !ends_at(&scan, in->p[at]))
		at += in->p[at] == '\\' && at + 1 < in->len ? 2 : 1;
	element = str_trim(str_first(*in, at));
	*in = str_skip(*in, at + 1);
	return element;
}

/* "text" -> text, without its backslashes. False: not in quotes as a whole. */
static bool unquote(struct arena *arena, struct str *text)
{
	struct buf plain = BUF_IN(arena);

	if (text->len < 2 || text->p[0] != '"')
		return false;
	for (size_t i = 1; i < text->len; i++) {
		char c = text->p[i];

		if (c == '"') {
			if (i + 1 < text->len)
				return false;
			*text = buf_str(&plain);
			return true;
		}
		if (c == '\\' && i + 1 < text->len)
			c = text->p[++i];
		buf_char(&plain, c);
	}
	return false;
}

static bool add(struct parser *parser, enum alias_kind kind,
	struct str value)
{
	struct alias_list *list = parser->list;

	if (list->count == ALIAS_ITEMS_MOST)
		return false;
	arena_grow(parser->arena, &list->items, &parser->capacity,
		list->count + 1, sizeof(*list->items));
	list->items[list->count++] = (struct alias_item){ kind, value };
	return true;
}

static bool add_addresses(struct parser *parser, struct str text)
{
	struct mail_list in = mail_list_of(text);
	struct mail_mailbox mailbox;
	enum mail_list_item item;
	bool good = true;

	while (good && (item = mail_list_next(parser->arena, &in, &mailbox)) !=
				MAIL_LIST_END) {
		struct str address;

		if (item == MAIL_LIST_JUNK) {
			good = add(parser, ALIAS_JUNK,
				str_first(str_skip(text, mailbox.at),
					mailbox.len));
			continue;
		}
		if (item != MAIL_LIST_ADDRESS)
			continue;
		address = mail_mailbox_address(parser->arena, &mailbox);
		if (address.len > 0)
			good = add(parser, ALIAS_ADDRESS, address);
	}
	return good;
}

/* What is told by how it begins. */
static const struct {
	const char *begin;
	enum alias_kind kind;
	bool keep; /* the beginning belongs to the value */
} beginnings[] = {
	{ "|", ALIAS_COMMAND, false },
	{ "/", ALIAS_FILE, true },
	{ ":include:", ALIAS_INCLUDE, false },
	{ "\\", ALIAS_USER, false },
};

static bool add_special(struct parser *parser, struct str text, bool *good)
{
	for (size_t i = 0; i < COUNT(beginnings); i++) {
		struct str value = text;

		if (!str_take_prefix_nocase(&value,
			    str_from(beginnings[i].begin)))
			continue;
		value = beginnings[i].keep ? text : str_trim(value);
		unquote(parser->arena, &value);
		value = str_trim(value);
		*good = add(parser, value.len ? beginnings[i].kind : ALIAS_JUNK,
			value.len ? value : text);
		return true;
	}
	return false;
}

static bool add_element(struct parser *parser, struct str element)
{
	struct str text = element;
	bool good = true;

	if (element.len == 0)
		return true;
	if (unquote(parser->arena, &text)) {
		text = str_trim(text);
		if (text.len == 0)
			return true;
		if (text.p[0] != '\\' && add_special(parser, text, &good))
			return good;
		return add(parser, ALIAS_ADDRESS, text);
	}
	return add_special(parser, element, &good) ?
		good :
		add_addresses(parser, element);
}

static bool parse_line(struct parser *parser, struct str line)
{
	while (line.len > 0)
		if (!add_element(parser, take_element(&line)))
			return false;
	return true;
}

bool alias_parse(struct arena *arena, struct str text,
	struct alias_list *list)
{
	struct parser parser = { .arena = arena, .list = list };

	*list = (struct alias_list){ 0 };
	return parse_line(&parser, text);
}

bool alias_parse_file(struct arena *arena, struct str text,
	struct alias_list *list)
{
	struct parser parser = { .arena = arena, .list = list };
	struct str line;

	*list = (struct alias_list){ 0 };
	while (str_take_line(&text, &line))
		if (!str_starts(str_trim(line), STR("#")) &&
			!parse_line(&parser, line))
			return false;
	return true;
}
