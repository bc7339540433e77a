#include "maps/match.h"

#include <errno.h>

#include "base/log.h"
#include "base/network.h"
#include "config/list.h"
#include "config/main_cf.h"
#include "maps/address.h"
#include "maps/driver.h"

enum {
	ELEMENTS_MOST = 1000000,
	FILES_MOST = 8, /* files within files */
};

enum element_kind {
	ELEMENT_TEXT,
	ELEMENT_NETWORK,
	ELEMENT_TABLE,
	ELEMENT_BROKEN, /* a file that could not be read */
};

struct element {
	enum element_kind kind;
	bool negated;
	struct str text;
	struct network network;
	struct maps *maps; /* of one table */
};

struct match {
	const char *parameter;
	bool parents_plain;
	struct element *all;
	size_t count, room;
};

struct reading {
	struct arena *arena;
	const struct conf *conf;
	struct match *match;
};

static bool read_list(struct reading *r, struct str list, bool negated,
	unsigned depth);

static void add(struct reading *r, struct element element)
{
	struct match *match = r->match;

	if (match->count >= ELEMENTS_MOST)
		return;
	arena_grow(r->arena, &match->all, &match->room, match->count + 1,
		sizeof(*match->all));
	match->all[match->count++] = element;
}

/* Each line of a file is a list; comments and continuations as in main.cf. */
static void read_file(struct reading *r, struct str path, bool negated,
	unsigned depth)
{
	struct main_cf in;
	struct str text, line;
	unsigned at;

	if (depth >= FILES_MOST ||
		!maps_read_file(r->arena, arena_cstr(r->arena, path), &text)) {
		log_error("%s: open file %.*s: %m", r->match->parameter,
			STR_ARG(path));
		add(r, (struct element){ .kind = ELEMENT_BROKEN });
		return;
	}
	in = main_cf_of(text);
	while (main_cf_take_line(r->arena, &in, &line, &at))
		if (!read_list(r, line, negated, depth + 1))
			return;
}

static bool read_element(struct reading *r, struct str text, bool negated,
	unsigned depth)
{
	struct element element = { .kind = ELEMENT_TEXT };
	struct str type, name;

	while (str_take_char(&text, '!'))
		negated = !negated;
	element.negated = negated;
	element.text = arena_copy(r->arena, text);
	if (text.len > 0 && text.p[0] == '/') {
		read_file(r, text, negated, depth);
		return true;
	}
	if (network_parse(text, &element.network)) {
		element.kind = ELEMENT_NETWORK;
	} else if (list_split_table(text, &type, &name) &&
		text.p[0] != '[') {
		element.kind = ELEMENT_TABLE;
		element.maps = maps_open(r->arena, r->conf,
			r->match->parameter, text, 0);
	}
	add(r, element);
	return true;
}

static bool read_list(struct reading *r, struct str list, bool negated,
	unsigned depth)
{
	struct str text;

	while (list_take(&list, &text))
		if (!read_element(r, text, negated, depth))
			return false;
	return true;
}

struct match *match_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str list)
{
	struct match *match = arena_new_of(arena, struct match);
	struct reading r = { arena, conf, match };

	match->parameter = parameter;
	match->parents_plain = maps_parents_plain(conf, parameter);
	read_list(&r, list, false, 0);
	return match;
}

bool match_is_empty(const struct match *match)
{
	return !match || match->count == 0;
}

/* ---- questions ---- */

struct question {
	struct arena *arena;
	struct str text;    /* string, domain or host name; may be NONE */
	struct str address; /* of a host; NONE: none */
	struct network network;
	bool has_network;
};

static enum maps_result found_if(bool yes)
{
	return yes ? MAPS_FOUND : MAPS_ABSENT;
}

static enum maps_result ask_string(const struct match *match,
	const struct element *element, const struct question *q)
{
	struct str value;

	(void)match;
	if (element->kind == ELEMENT_TABLE)
		return maps_find(element->maps, q->arena, q->text, &value);
	return found_if(str_eq_nocase(element->text, q->text));
}

static bool is_below(struct str name, struct str domain)
{
	return name.len > domain.len && str_ends_nocase(name, domain) &&
		(domain.p[0] == '.' ||
			name.p[name.len - domain.len - 1] == '.');
}

static enum maps_result ask_domain(const struct match *match,
	const struct element *element, const struct question *q)
{
	struct str value, text = element->text;

	if (str_is_none(q->text))
		return MAPS_ABSENT;
	if (element->kind == ELEMENT_TABLE)
		return maps_find_host(element->maps, q->arena, q->text,
			match->parents_plain, &value);
	if (str_eq_nocase(text, q->text))
		return MAPS_FOUND;
	return found_if(text.len > 0 &&
		(text.p[0] == '.' || match->parents_plain) &&
		is_below(q->text, text));
}

static enum maps_result ask_address(const struct element *element,
	const struct question *q)
{
	struct str value;

	if (!q->has_network)
		return MAPS_ABSENT;
	if (element->kind == ELEMENT_TABLE)
		return maps_find(element->maps, q->arena, q->address, &value);
	return found_if(element->kind == ELEMENT_NETWORK &&
		network_has(&element->network, &q->network));
}

static enum maps_result ask_host(const struct match *match,
	const struct element *element, const struct question *q)
{
	enum maps_result result = MAPS_ABSENT;

	if (element->kind != ELEMENT_NETWORK)
		result = ask_domain(match, element, q);
	return result == MAPS_ABSENT ? ask_address(element, q) : result;
}

static enum maps_result ask(struct match *match, const struct question *q,
	enum maps_result (*one)(const struct match *match,
		const struct element *element, const struct question *q))
{
	for (size_t i = 0; match && i < match->count; i++) {
		const struct element *element = &match->all[i];
		enum maps_result result = element->kind == ELEMENT_BROKEN ?
			MAPS_ERROR :
			one(match, element, q);

		if (result == MAPS_FOUND)
			return found_if(!element->negated);
		if (result == MAPS_ERROR)
			return result;
	}
	return MAPS_ABSENT;
}

enum maps_result match_string(struct match *match, struct arena *arena,
	struct str text)
{
	return ask(match, &(struct question){ .arena = arena, .text = text },
		ask_string);
}

enum maps_result match_domain(struct match *match, struct arena *arena,
	struct str domain)
{
	if (str_ends(domain, STR(".")))
		domain.len--;
	return ask(match, &(struct question){ .arena = arena, .text = domain },
		ask_domain);
}

enum maps_result match_host(struct match *match, struct arena *arena,
	struct str name, struct str address)
{
	struct question q = { .arena = arena, .text = name,
		.address = address };

	if (str_is_nocase(name, "unknown"))
		q.text = STR_NONE;
	q.has_network = network_parse_address(address, &q.network);
	return ask(match, &q, ask_host);
}
