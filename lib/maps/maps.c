#include "maps/remote.h"

#include <stdarg.h>

#include "base/log.h"
#include "config/list.h"

enum { MAPS_MOST = 256 };

struct maps {
	struct map **all;
	size_t count;
	struct str failed;
};

void *map_cannot(struct map_opening *opening, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	opening->error = arena_vfmt(opening->arena, format, args);
	va_end(args);
	return NULL;
}

/* A table on a server: another daemon asks that. */
static void open_remote(struct map_opening *opening, struct map *map)
{
	/* keys are folded here, as the table itself would have it */
	static const struct map_driver folded = { .find = remote_find },
				       as_they_are = { .find = remote_find,
					       .keeps_case = true };

	opening->is_pattern = map->driver->is_pattern;
	map->state = remote_open(opening,
		remote_daemon(map->driver, opening->flags), map->label);
	map->driver = map->driver->keeps_case ? &as_they_are : &folded;
}

struct map *map_open_or(struct arena *arena, const struct conf *conf,
	struct str element, unsigned flags, unsigned depth, struct str *error)
{
	struct map_opening opening = { .arena = arena, .conf = conf,
		.flags = flags, .depth = depth };
	struct map *map = arena_new_of(arena, struct map);

	map->conf = conf;
	map->flags = flags;
	*error = STR_NONE;
	if (!list_split_table(element, &opening.type, &opening.name)) {
		*error = arena_fmt(arena, "open dictionary: expecting "
			"\"type:name\" form instead of \"%.*s\"",
			STR_ARG(element));
		return NULL;
	}
	map->label = arena_copy(arena, element);
	map->driver = map_driver_find(opening.type);
	if (!map->driver)
		*error = arena_fmt(arena, "unsupported dictionary type: %.*s",
			STR_ARG(opening.type));
	else if (depth > MAP_DEPTH_MOST)
		*error = STR("tables within tables too deep");
	else if (remote_daemon(map->driver, flags))
		open_remote(&opening, map);
	else
		map->state = map->driver->open(&opening);
	if (map->state) {
		map->is_pattern = map->driver->is_pattern ||
			opening.is_pattern;
		return map;
	}
	if (str_is_none(*error))
		*error = opening.error;
	return NULL;
}

struct map *map_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str element, unsigned flags,
	unsigned depth)
{
	struct str error;
	struct map *map = map_open_or(arena, conf, element, flags, depth,
		&error);

	if (map)
		return map;
	log_error("%s%s%.*s: %.*s", parameter ? parameter : "",
		parameter ? ": " : "", STR_ARG(element), STR_ARG(error));
	if (conf && conf->daemon_table_open_error_is_fatal)
		log_fatal("daemon_table_open_error_is_fatal: %.*s",
			STR_ARG(element));
	map = arena_new_of(arena, struct map);
	*map = (struct map){
		.driver = &map_fail,
		.label = arena_copy(arena, element),
		.conf = conf,
	};
	return map;
}

static enum maps_result no_empty(struct map *map, struct str key,
	struct str value)
{
	if (value.len > 0)
		return MAPS_FOUND;
	log_warning("table %.*s: key %.*s: empty string result is not "
		    "allowed",
		STR_ARG(map->label), STR_ARG(key));
	log_warning("table %.*s should return NO RESULT in case of NOT "
		    "FOUND",
		STR_ARG(map->label));
	return MAPS_ABSENT;
}

enum maps_result map_find(struct map *map, struct arena *arena, struct str key,
	struct str *value)
{
	enum maps_result result;

	if (key.len == 0 || memchr(key.p, 0, key.len))
		return MAPS_ABSENT;
	if (!map->driver->keeps_case && !(map->flags & MAPS_KEEP_CASE))
		key = arena_lower(arena, key);
	else
		key = arena_copy(arena, key);
	if (map->driver->wants) {
		result = map->driver->wants(map, arena, key);
		if (result != MAPS_FOUND)
			return result;
	}
	result = map->driver->find(map, arena, key, value);
	return result == MAPS_FOUND ? no_empty(map, key, *value) : result;
}

struct maps *maps_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str list, unsigned flags)
{
	struct maps *maps = arena_new_of(arena, struct maps);
	struct str element;
	size_t room = 0;

	while (maps->count < MAPS_MOST && list_take(&list, &element)) {
		arena_grow(arena, &maps->all, &room, maps->count + 1,
			sizeof(*maps->all));
		maps->all[maps->count++] = map_open(arena, conf, parameter,
			element, flags, 0);
	}
	return maps;
}

bool maps_is_empty(const struct maps *maps)
{
	return !maps || maps->count == 0;
}

static enum maps_result find(struct maps *maps, struct arena *arena,
	struct str key, bool is_part, struct str *value)
{
	for (size_t i = 0; maps && i < maps->count; i++) {
		struct map *map = maps->all[i];
		enum maps_result result;

		if (is_part && map->is_pattern)
			continue;
		result = map_find(map, arena, key, value);
		if (result == MAPS_ERROR) {
			maps->failed = map->label;
			log_warning("%.*s lookup error for \"%.*s\"",
				STR_ARG(maps->failed), STR_ARG(key));
		}
		if (result == MAPS_FOUND)
			map_tell(map, key, *value);
		if (result != MAPS_ABSENT)
			return result;
	}
	return MAPS_ABSENT;
}

enum maps_result maps_find(struct maps *maps, struct arena *arena,
	struct str key, struct str *value)
{
	return find(maps, arena, key, false, value);
}

enum maps_result maps_find_part(struct maps *maps, struct arena *arena,
	struct str key, struct str *value)
{
	return find(maps, arena, key, true, value);
}

struct str maps_failed(const struct maps *maps)
{
	return maps->failed;
}
