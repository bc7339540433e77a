/*
 * proxy:type:name - the table in proxymap(8), which many processes share. In a
 * command, where no master introduces us, and for the accounts of the host,
 * which are small, the table is opened here.
 */
#include "maps/remote.h"

#include "config/list.h"
#include "service/service.h"

struct proxy {
	struct map there; /* its state: of remote_open */
	struct map *here; /* NULL, or opened by ourselves */
};

static bool is_opened_here(const struct map_opening *opening)
{
	return str_is_none(service_row()) || service_is_alone() ||
		opening->flags & MAPS_DIRECT ||
		str_starts(opening->name, STR("unix:"));
}

/* Tables on servers are not opened here anyway. */
static bool is_on_server(const struct map_driver *driver)
{
	return driver && driver->needs;
}

static void *proxy_open(struct map_opening *opening)
{
	struct proxy *proxy = arena_new_of(opening->arena, struct proxy);
	const struct map_driver *driver = NULL;
	struct str type, name;

	if (list_split_table(opening->name, &type, &name))
		driver = map_driver_find(type);
	opening->is_pattern = driver && driver->is_pattern;
	if (!is_opened_here(opening) && !is_on_server(driver)) {
		proxy->there.flags = opening->flags;
		proxy->there.state = remote_open(opening, "proxymap",
			opening->name);
		return proxy;
	}
	proxy->here = map_open_or(opening->arena, opening->conf,
		opening->name, opening->flags, opening->depth + 1,
		&opening->error);
	return proxy->here ? proxy : NULL;
}

static enum maps_result proxy_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct proxy *proxy = map->state;

	return proxy->here ? map_find(proxy->here, arena, key, value) :
			     remote_find(&proxy->there, arena, key, value);
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
