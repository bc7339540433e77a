/*
 * proxy:type:name - the table in proxymap(8), which many processes share. In a
 * command, where no master introduces us, and for the accounts of the host,
 * which are small, the table is opened here.
 */
#include "maps/driver.h"

#include "base/log.h"
#include "config/list.h"
#include "ipc/messages.h"
#include "service/service.h"

enum { PROXY_TIMEOUT_S = 100 };

struct proxy {
	struct str table; /* "type:name" for proxymap */
	struct map *here; /* or opened by ourselves */
};

static bool is_opened_here(const struct map_opening *opening)
{
	return str_is_none(service_row()) || service_is_alone() ||
		opening->flags & MAPS_DIRECT ||
		str_starts(opening->name, STR("unix:"));
}

static bool is_pattern(struct str table)
{
	struct str type, name;
	const struct map_driver *driver;

	if (!list_split_table(table, &type, &name))
		return false;
	driver = map_driver_find(type);
	return driver && driver->is_pattern;
}

static void *proxy_open(struct map_opening *opening)
{
	struct proxy *proxy = arena_new_of(opening->arena, struct proxy);

	proxy->table = arena_copy(opening->arena, opening->name);
	opening->is_pattern = is_pattern(proxy->table);
	if (!is_opened_here(opening))
		return proxy;
	proxy->here = map_open_or(opening->arena, opening->conf,
		opening->name, opening->flags, opening->depth + 1,
		&opening->error);
	return proxy->here ? proxy : NULL;
}

static enum maps_result ask(struct proxy *proxy, struct call *call,
	struct arena *arena, unsigned flags, struct str key, struct str *value)
{
	struct msg_map_find ask = {
		.table = proxy->table,
		.flags = flags,
		.key = key,
	};
	struct msg_map_found answer;

	if (!call || !msg_map_find_send(call, &ask) ||
		!msg_map_found_recv(call, &answer, span_s(PROXY_TIMEOUT_S))) {
		log_warning("proxy:%.*s: no answer from proxymap: %m",
			STR_ARG(proxy->table));
		return MAPS_ERROR;
	}
	*value = arena_copy(arena, answer.value);
	return answer.result == MAPS_FOUND && !str_is_none(*value) ?
			MAPS_FOUND :
	       answer.result == MAPS_ABSENT ? MAPS_ABSENT :
					      MAPS_ERROR;
}

static enum maps_result proxy_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct proxy *proxy = map->state;
	auto_arena struct arena *scratch = NULL;
	struct call *call;

	if (proxy->here)
		return map_find(proxy->here, arena, key, value);
	scratch = arena_new(0); /* the call ends with it */
	call = service_call(scratch, "proxymap", span_s(PROXY_TIMEOUT_S));
	return ask(proxy, call, arena, map->flags, key, value);
}

static bool proxy_next(struct map *map, struct arena *arena,
	struct map_walk *walk)
{
	struct proxy *proxy = map->state;

	return proxy->here && proxy->here->driver->next &&
		proxy->here->driver->next(proxy->here, arena, walk);
}

const struct map_driver map_proxy = {
	.type = "proxy",
	.open = proxy_open,
	.find = proxy_find,
	.next = proxy_next,
	.keeps_case = true, /* the table itself knows */
};
