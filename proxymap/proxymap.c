/*
 * proxymap - lookup tables that many processes share: proxy:type:name, and
 * those that a server answers: tcp:, socketmap:, memcache:.
 *
 * Room       user posthorn-map, empty root; opens nothing once it serves: the
 *            tables that proxy_read_maps allows are opened before
 * Gets       `map_find` calls
 * Calls      dialer, for connections to those servers; querymap, for tables
 *            behind a memcache
 */
#include "base/log.h"
#include "base/table.h"
#include "config/list.h"
#include "ipc/messages.h"
#include "maps/survey.h"
#include "service/service.h"

enum { IDLE_S = 1000 };

static const enum param params[] = { proxy_read_maps, PARAMS_END };

/* The process's one state: "type:name" -> struct map, for lookups with and
 * without MAPS_NO_SUBSTITUTION. */
static struct {
	struct arena *arena;
	struct table *plain, *strict;
} tables;

static void open_one(const struct conf *conf, struct table *into,
	struct str name, unsigned flags)
{
	if (!table_find(into, name))
		table_put(into, name,
			map_open(tables.arena, conf, "proxy_read_maps", name,
				flags | MAPS_DIRECT | MAPS_DIALS, 0));
}

/* Tables on servers need no proxy: in front; querymap has the others. */
static void open_found(void *context, struct str name)
{
	const struct conf *const *conf = context;
	struct str type, rest;

	if (!list_split_table(name, &type, &rest) ||
		map_driver_find(type)->needs != MAPS_DIALS)
		return;
	open_one(*conf, tables.plain, name, MAPS_KEEP_CASE);
	open_one(*conf, tables.strict, name,
		MAPS_NO_SUBSTITUTION | MAPS_KEEP_CASE);
}

/* What may be asked. */
static void prepare(const struct conf *conf)
{
	struct str list = conf->proxy_read_maps, table;

	tables.arena = arena_new(0);
	tables.plain = table_new();
	tables.strict = table_new();
	while (maps_take_proxied(&list, &table)) {
		open_one(conf, tables.plain, table, 0);
		open_one(conf, tables.strict, table, MAPS_NO_SUBSTITUTION);
	}
	maps_survey(conf, open_found, &conf);
}

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static struct map *find_table(const struct msg_map_find *m)
{
	return table_find(m->flags & MAPS_NO_SUBSTITUTION ? tables.strict :
							    tables.plain,
		m->table);
}

static bool answer(struct call *call, const struct msg_map_find *m)
{
	struct arena *arena = call_arena(call);
	struct map *map = find_table(m);
	struct msg_map_found found = { .result = MAPS_ERROR };

	if (map)
		found.result = (uint64_t)map_find(map, arena, m->key,
			&found.value);
	else
		log_warning("request for unapproved table: \"%.*s\" (to "
			    "approve it, add it to proxy_read_maps)",
			STR_ARG(m->table));
	if (found.result != MAPS_FOUND)
		found.value = STR_NONE;
	return msg_map_found_send(call, &found);
}

static void serve(const struct conf *conf, struct call *call)
{
	struct msg_map_find m;

	(void)conf;
	while (msg_map_find_recv(call, &m, span_s(IDLE_S)) &&
		answer(call, &m))
		;
}

static const struct service service = {
	.name = "proxymap",
	.fibers = 200,
	.profile = PROFILE_MAP,
	.calls = "dialer querymap",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
