/*
 * ldap: tables: a search for each key, and for what its results point to.
 *
 * An entry gives its result_attribute values; those of special_result_attribute
 * are names of entries, or URLs, that are searched in turn. An entry without
 * such gives leaf_result_attribute too. One with terminal_result_attribute
 * gives that alone.
 *
 * Source   ldap_table(5) of Postfix; RFC 4515 3 (filters), 4514 2.4 (names),
 *          4516 2 (URLs)
 */
#include "maps/module_load.h"

#include <errno.h>

#include "base/log.h"
#include "maps/filter.h"
#include "maps/match.h"
#include "maps/template.h"

enum {
	ATTRIBUTES_MOST = 64,
	RECURSION_DEFAULT = 1000,
	SEARCHES_MOST = 10000, /* of one lookup */
	TEXT_MOST = 64 * 1024,
	RESULT_MOST = 100 * 1024,
	TRIES = 2,
};

enum kind {
	RESULT,
	SPECIAL,
	LEAF,
	TERMINAL,
	KINDS,
};

struct ldap {
	struct servers servers;
	struct settings *settings;
	struct str base, filter, result_format;
	const char *scope;
	const char *attributes[ATTRIBUTES_MOST + 1];
	enum kind kinds[ATTRIBUTES_MOST];
	size_t attribute_count;
	struct match *domains; /* NULL: all */
	int64_t recursion_limit, expansion_limit;
};

/* A search that is still to be made. */
struct search {
	struct search *next;
	const char *base, *scope, *filter;
	int64_t depth;
};

/* One lookup. */
struct looking {
	struct ldap *ldap;
	struct arena *arena;
	struct str label, key;
	struct search *first, **last;
	const struct search *at;
	struct value {
		struct value *next;
		struct str text;
	} *values[KINDS]; /* of the present entry, the last first */
	struct buf out;
	int64_t count, searches;
	const char *trouble; /* NULL: none */
};

/* ---- opening ---- */

static bool add_attributes(struct map_opening *opening, struct ldap *ldap,
	struct str names, enum kind kind)
{
	struct str name;

	while (str_take_item(&names, ", \t\r\n", &name)) {
		if (ldap->attribute_count == ATTRIBUTES_MOST)
			return map_cannot(opening, "%.*s: too many attributes",
				STR_ARG(opening->name));
		ldap->kinds[ldap->attribute_count] = kind;
		ldap->attributes[ldap->attribute_count++] =
			arena_cstr(opening->arena, name);
	}
	return true;
}

static bool read_attributes(struct map_opening *opening, struct ldap *ldap)
{
	static const struct {
		const char *name, *otherwise;
		enum kind kind;
	} rows[] = {
		{ "result_attribute", "maildrop", RESULT },
		{ "special_result_attribute", "", SPECIAL },
		{ "leaf_result_attribute", "", LEAF },
		{ "terminal_result_attribute", "", TERMINAL },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (!add_attributes(opening, ldap,
			    settings_text_or(ldap->settings, rows[i].name,
				    rows[i].otherwise),
			    rows[i].kind))
			return false;
	return true;
}

static bool read_query(struct map_opening *opening, struct ldap *ldap)
{
	const struct settings *settings = ldap->settings;
	struct str domains = settings_text(settings, "domain");
	const char *fault;

	ldap->base = settings_text_or(settings, "search_base", "");
	ldap->scope = arena_cstr(opening->arena,
		settings_text_or(settings, "scope", "sub"));
	ldap->filter = settings_text_or(settings, "query_filter",
		"(mailacceptinggeneralid=%s)");
	ldap->result_format = settings_text(settings, "result_format");
	if (str_is_none(ldap->result_format))
		ldap->result_format = settings_text_or(settings,
			"result_filter", "%s");
	ldap->recursion_limit = settings_int(settings, "recursion_limit", 1,
		INT32_MAX, RECURSION_DEFAULT);
	ldap->expansion_limit = settings_int(settings, "expansion_limit", 0,
		INT32_MAX, 0);
	if (!str_is_none(domains) && domains.len > 0)
		ldap->domains = match_open(opening->arena, opening->conf,
			"domain", domains);
	fault = template_fault(ldap->filter);
	if (!fault)
		fault = template_fault(ldap->base);
	if (!fault)
		fault = template_fault(ldap->result_format);
	return !fault ||
		map_cannot(opening, "%.*s: query_filter, search_base or "
			"result_format: %s",
			STR_ARG(opening->name), fault);
}

static void *ldap_open(struct map_opening *opening)
{
	struct ldap *ldap = arena_new_of(opening->arena, struct ldap);

	ldap->settings = settings_open(opening);
	if (!ldap->settings || !read_attributes(opening, ldap) ||
		!read_query(opening, ldap))
		return NULL;
	ldap->servers = (struct servers){
		.module = module_load(opening),
		.settings = ldap->settings,
		.label = arena_fmt(opening->arena, "ldap:%.*s",
			STR_ARG(opening->name)),
		.retry = settings_span(ldap->settings, "retry_interval", 60),
	};
	if (!ldap->servers.module)
		return NULL;
	if (!servers_read(&ldap->servers, opening->arena,
		    settings_text_or(ldap->settings, "server_host",
			    "localhost")))
		return map_cannot(opening, "%.*s: no server_host",
			STR_ARG(opening->name));
	arena_on_free(opening->arena, servers_close, &ldap->servers);
	return ldap;
}

/* ---- what comes back ---- */

static bool stop(struct looking *l, const char *why)
{
	l->trouble = why;
	return false;
}

static bool add_result(struct looking *l, struct str value)
{
	size_t before = l->out.len;

	if (value.len == 0)
		return true;
	if (before > 0)
		buf_char(&l->out, ',');
	if (!template_format(l->ldap->result_format, value, l->key, NULL,
		    &l->out)) {
		l->out.len = before; /* nothing of what it names */
		return !l->out.failed || stop(l, "the result is too long");
	}
	if (l->ldap->expansion_limit > 0 &&
		++l->count > l->ldap->expansion_limit)
		return stop(l, "more results than expansion_limit allows");
	return true;
}

static bool add_results(struct looking *l, const struct value *value)
{
	/* they were put in front, one by one */
	return !value || (add_results(l, value->next) &&
				 add_result(l, value->text));
}

/* The entry or URL that a special attribute names. */
static bool add_search(struct looking *l, struct str text)
{
	struct search *search = arena_new_of(l->arena, struct search);
	struct filter_url url;

	*search = (struct search){
		.base = arena_cstr(l->arena, text),
		.scope = "base",
		.filter = "(objectclass=*)",
		.depth = l->at->depth + 1,
	};
	if (filter_url_parse(l->arena, text, &url)) {
		search->base = arena_cstr(l->arena, url.base);
		search->scope = arena_cstr(l->arena, url.scope);
		search->filter = arena_cstr(l->arena, url.filter);
	}
	if (search->depth > l->ldap->recursion_limit)
		return stop(l, "recursion_limit is reached");
	if (++l->searches > SEARCHES_MOST)
		return stop(l, "too many searches");
	*l->last = search;
	l->last = &search->next;
	return true;
}

static bool end_entry(struct looking *l)
{
	struct value *special = l->values[SPECIAL];
	bool good;

	if (l->values[TERMINAL]) {
		good = add_results(l, l->values[TERMINAL]);
	} else {
		good = add_results(l, l->values[RESULT]) &&
			(special || add_results(l, l->values[LEAF]));
		for (; good && special; special = special->next)
			good = add_search(l, special->text);
	}
	memset(l->values, 0, sizeof(l->values));
	return good;
}

static bool take_entry(void *context, const char *dn)
{
	(void)dn;
	return end_entry(context);
}

static bool take_value(void *context, size_t attribute, const char *text,
	size_t len)
{
	struct looking *l = context;
	struct value **list = &l->values[l->ldap->kinds[attribute]];
	struct value *value = arena_new_of(l->arena, struct value);

	*value = (struct value){ *list, arena_copy(l->arena,
						str_of(text, len)) };
	*list = value;
	return !memchr(value->text.p, 0, len) ||
		stop(l, "a value has a NUL");
}

/* ---- a lookup ---- */

static bool quote_filter(void *context, struct str text, struct buf *out)
{
	(void)context;
	filter_quote(out, text);
	return true;
}

static bool quote_name(void *context, struct str text, struct buf *out)
{
	(void)context;
	filter_quote_name(out, text);
	return true;
}

/* False: the templates name what the key has not. */
static bool first_search(struct looking *l)
{
	const struct template_quoting in_filter = { quote_filter, NULL },
				      in_name = { quote_name, NULL };
	struct buf base = BUF_IN(l->arena), filter = BUF_IN(l->arena);
	struct search *search = arena_new_of(l->arena, struct search);

	base.limit = filter.limit = TEXT_MOST;
	l->out = BUF_IN(l->arena);
	l->out.limit = RESULT_MOST;
	l->count = l->searches = 0;
	l->trouble = NULL;
	l->first = search;
	l->last = &search->next;
	if (!template_format(l->ldap->base, l->key, STR_NONE, &in_name,
		    &base) ||
		!template_format(l->ldap->filter, l->key, STR_NONE,
			&in_filter, &filter))
		return false;
	search->base = arena_cstr(l->arena, buf_str(&base));
	search->filter = arena_cstr(l->arena, buf_str(&filter));
	search->scope = l->ldap->scope;
	return true;
}

static enum module_result search_all(struct looking *l, char *error)
{
	const struct module_settings settings =
		module_settings_of(l->ldap->settings);
	const struct module_entries entries = { take_entry, take_value, l };
	const struct servers *servers = &l->ldap->servers;

	for (const struct search *at = l->first; at && !l->trouble;
		at = at->next) {
		enum module_result result;

		l->at = at;
		memset(l->values, 0, sizeof(l->values));
		result = servers->module->ldap->search(servers->connection,
			&settings, at->base, at->scope, at->filter,
			l->ldap->attributes, &entries, error);
		if (result != MODULE_DONE)
			return result;
		if (!l->trouble)
			(void)end_entry(l);
	}
	return MODULE_DONE;
}

static enum maps_result ask(struct looking *l)
{
	struct servers *servers = &l->ldap->servers;
	enum module_result result = MODULE_GONE;
	char error[MODULE_ERROR] = "";

	for (int i = 0; i < TRIES && result == MODULE_GONE; i++) {
		if (!first_search(l))
			return MAPS_ABSENT;
		if (!servers_connection(servers))
			return MAPS_ERROR;
		result = search_all(l, error);
		servers_used(servers, result);
	}
	if (result != MODULE_DONE || l->trouble) {
		log_warning("%.*s: lookup of \"%.*s\" failed: %s",
			STR_ARG(l->label), STR_ARG(l->key),
			l->trouble ? l->trouble : error);
		return MAPS_ERROR;
	}
	return l->out.len > 0 ? MAPS_FOUND : MAPS_ABSENT;
}

static enum maps_result ldap_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct looking l = { .ldap = map->state, .arena = arena,
		.label = map->label, .key = key };
	enum maps_result result = ask(&l);

	*value = buf_str(&l.out);
	return result;
}

static enum maps_result ldap_wants(struct map *map, struct arena *arena,
	struct str key)
{
	const struct ldap *ldap = map->state;

	return domains_have(ldap->domains, arena, key);
}

const struct map_driver map_ldap = {
	.type = "ldap",
	.open = ldap_open,
	.find = ldap_find,
	.wants = ldap_wants,
	.needs = MAPS_BLOCKS,
};
