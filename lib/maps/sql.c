/*
 * pgsql:, mysql: and sqlite: tables: one query for each key.
 */
#include "maps/module_load.h"

#include <errno.h>

#include "base/log.h"
#include "maps/match.h"
#include "maps/template.h"

enum {
	INTERVAL_S = 60,
	QUERY_MOST = 64 * 1024,
	RESULT_MOST = 100 * 1024,
	TRIES = 2, /* of a query: a connection may have ended unnoticed */
};

struct sql {
	struct servers servers;
	struct settings *settings;
	struct str query, result_format;
	struct match *domains; /* NULL: all */
	int64_t expansion_limit; /* 0: none */
};

/* "select_field", "table", ...: how queries were written long ago; or a stored
 * function of pgsql. */
static struct str old_query(struct map_opening *opening,
	const struct settings *settings)
{
	struct str function = settings_text(settings, "select_function"),
		   field = settings_text(settings, "select_field"),
		   table = settings_text(settings, "table"),
		   where = settings_text(settings, "where_field");

	if (!str_is_none(function))
		return arena_fmt(opening->arena, "SELECT %.*s('%%s')",
			STR_ARG(function));
	if (str_is_none(field) || str_is_none(table) || str_is_none(where))
		return STR_NONE;
	return arena_fmt(opening->arena,
		"SELECT %.*s FROM %.*s WHERE %.*s = '%%s' %s", STR_ARG(field),
		STR_ARG(table), STR_ARG(where),
		arena_cstr(opening->arena,
			settings_text_or(settings, "additional_conditions",
				"")));
}

static bool read_queries(struct map_opening *opening, struct sql *sql)
{
	const struct settings *settings = sql->settings;
	struct str domains = settings_text(settings, "domain");
	const char *fault;

	sql->query = settings_text(settings, "query");
	if (str_is_none(sql->query))
		sql->query = old_query(opening, settings);
	sql->result_format = settings_text_or(settings, "result_format", "%s");
	sql->expansion_limit = settings_int(settings, "expansion_limit", 0,
		INT32_MAX, 0);
	if (!str_is_none(domains) && domains.len > 0)
		sql->domains = match_open(opening->arena, opening->conf,
			"domain", domains);
	if (str_is_none(sql->query) || sql->query.len == 0)
		return map_cannot(opening, "%.*s: no query",
			STR_ARG(opening->name));
	fault = template_fault(sql->query);
	if (!fault)
		fault = template_fault(sql->result_format);
	return !fault ||
		map_cannot(opening, "%.*s: query or result_format: %s",
			STR_ARG(opening->name), fault);
}

static void *sql_open(struct map_opening *opening)
{
	struct sql *sql = arena_new_of(opening->arena, struct sql);
	bool is_file = str_is(opening->type, "sqlite");
	struct str hosts;

	sql->settings = settings_open(opening);
	if (!sql->settings || !read_queries(opening, sql))
		return NULL;
	sql->servers = (struct servers){
		.module = module_load(opening),
		.settings = sql->settings,
		.label = arena_fmt(opening->arena, "%.*s:%.*s",
			STR_ARG(opening->type), STR_ARG(opening->name)),
		.retry = settings_span(sql->settings, "retry_interval",
			INTERVAL_S),
		.idle = is_file ? span_s(0) :
			settings_span(sql->settings, "idle_interval",
				INTERVAL_S),
	};
	if (!sql->servers.module)
		return NULL;
	hosts = is_file ? settings_text_or(sql->settings, "dbpath", "") :
			  settings_text_or(sql->settings, "hosts", "localhost");
	if (!servers_read(&sql->servers, opening->arena, hosts))
		return map_cannot(opening, "%.*s: no %s",
			STR_ARG(opening->name), is_file ? "dbpath" : "hosts");
	arena_on_free(opening->arena, servers_close, &sql->servers);
	return sql;
}

/* ---- a lookup ---- */

struct answer {
	const struct sql *sql;
	struct str key;
	struct buf out;
	int64_t count;
	bool is_too_much;
};

static bool quote(void *context, struct str text, struct buf *out)
{
	const struct sql *sql = context;
	size_t len = 0;

	if (memchr(text.p, 0, text.len) || !buf_room(out, 2 * text.len + 1) ||
		!sql->servers.module->sql->quote(sql->servers.connection,
			out->p + out->len, text.p, text.len, &len))
		return false;
	out->len += len;
	return true;
}

static bool add_value(struct answer *answer, struct str value)
{
	size_t before = answer->out.len;

	if (before > 0)
		buf_char(&answer->out, ',');
	if (!template_format(answer->sql->result_format, value, answer->key,
		    NULL, &answer->out)) {
		answer->out.len = before; /* nothing of what it names */
		return !answer->out.failed;
	}
	answer->is_too_much = answer->sql->expansion_limit > 0 &&
		++answer->count > answer->sql->expansion_limit;
	return !answer->is_too_much;
}

static bool take_row(void *context, size_t columns, const char *const *texts,
	const size_t *lengths)
{
	for (size_t i = 0; i < columns; i++)
		if (texts[i] && lengths[i] > 0 &&
			!add_value(context, str_of(texts[i], lengths[i])))
			return false;
	return true;
}

/* MODULE_DONE also when the query says nothing for such a key. */
static enum module_result run(struct sql *sql, struct arena *arena,
	struct answer *answer, char *error)
{
	const struct template_quoting quoting = { quote, sql };
	const struct module_rows rows = { take_row, answer };
	struct buf query = BUF_IN(arena);

	query.limit = QUERY_MOST;
	answer->out = BUF_IN(arena);
	answer->out.limit = RESULT_MOST;
	answer->count = 0;
	if (!template_format(sql->query, answer->key, STR_NONE, &quoting,
		    &query))
		return MODULE_DONE;
	return sql->servers.module->sql->query(sql->servers.connection,
		arena_cstr(arena, buf_str(&query)), &rows, error);
}

static enum module_result ask(struct map *map, struct arena *arena,
	struct answer *answer)
{
	struct sql *sql = map->state;
	enum module_result result = MODULE_GONE;
	char error[MODULE_ERROR] = "";

	for (int i = 0; i < TRIES && result == MODULE_GONE; i++) {
		if (!servers_connection(&sql->servers))
			return MODULE_GONE;
		result = run(sql, arena, answer, error);
		servers_used(&sql->servers, result);
	}
	if (result != MODULE_DONE)
		log_warning("%.*s: query failed: %s", STR_ARG(map->label),
			error);
	return result;
}

static enum maps_result sql_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct sql *sql = map->state;
	struct answer answer = { .sql = sql, .key = key };

	if (ask(map, arena, &answer) != MODULE_DONE)
		return MAPS_ERROR;
	if (answer.is_too_much || answer.out.failed) {
		log_warning("%.*s: more results than expansion_limit allows "
			    "for \"%.*s\"",
			STR_ARG(map->label), STR_ARG(key));
		return MAPS_ERROR;
	}
	*value = buf_str(&answer.out);
	return value->len > 0 ? MAPS_FOUND : MAPS_ABSENT;
}

static enum maps_result sql_wants(struct map *map, struct arena *arena,
	struct str key)
{
	const struct sql *sql = map->state;

	return domains_have(sql->domains, arena, key);
}

const struct map_driver map_pgsql = {
	.type = "pgsql",
	.open = sql_open,
	.find = sql_find,
	.wants = sql_wants,
	.needs = MAPS_BLOCKS,
};

const struct map_driver map_mysql = {
	.type = "mysql",
	.open = sql_open,
	.find = sql_find,
	.wants = sql_wants,
	.needs = MAPS_BLOCKS,
};

const struct map_driver map_sqlite = {
	.type = "sqlite",
	.open = sql_open,
	.find = sql_find,
	.wants = sql_wants,
	.needs = MAPS_BLOCKS,
};

/* ---- what there is no module for ---- */

static void *mongodb_open(struct map_opening *opening)
{
	return map_cannot(opening, "mongodb:%.*s: there is no client for "
		"MongoDB here; pgsql:, mysql:, sqlite: and ldap: tables are "
		"served, and socketmap: or tcp: asks a program of your own",
		STR_ARG(opening->name));
}

const struct map_driver map_mongodb = {
	.type = "mongodb",
	.open = mongodb_open,
};
