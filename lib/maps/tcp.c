/*
 * tcp:host:port: a server that is asked "get key" in one line.
 */
#include "maps/driver.h"

#include <errno.h>

#include "base/log.h"
#include "maps/link.h"
#include "maps/wire.h"

enum {
	TIMEOUT_S = 100,
	KEEP_S = 10,
	TRIES = 2,
	PAUSE_S = 1,
};

struct asked {
	struct map *map;
	struct arena *arena;
	struct str key; /* encoded */
	struct str *value;
	enum maps_result result;
};

static void *tcp_open(struct map_opening *opening)
{
	struct wire_place place;

	if (!wire_tcp_place(opening->arena, opening->name, &place))
		return map_cannot(opening, "tcp:%.*s: expected tcp:host:port",
			STR_ARG(opening->name));
	return links_new(opening->arena,
		&(struct links_plan){
			.endpoint = place.endpoint,
			.timeout = span_s(TIMEOUT_S),
			.keep = span_s(KEEP_S),
			.tries = TRIES,
			.retry_pause = span_s(PAUSE_S),
			.line_limit = WIRE_TCP_MOST,
		});
}

static bool ask(struct stream *stream, void *context)
{
	struct asked *asked = context;
	struct str line;

	if (!io_fmt(stream, "get %.*s\n", STR_ARG(asked->key)) ||
		!io_line(stream, &line, span_s(TIMEOUT_S)))
		return false;
	if (wire_tcp_reply(asked->arena, line, &asked->result, asked->value))
		return true;
	log_warning("read TCP map reply from %.*s: unexpected: %.100s",
		STR_ARG(asked->map->label), arena_cstr(asked->arena, line));
	errno = EPROTO;
	return false;
}

static enum maps_result tcp_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct asked asked = {
		.map = map,
		.arena = arena,
		.key = wire_tcp_encode(arena, key),
		.value = value,
	};

	if (asked.key.len > WIRE_TCP_MOST - sizeof("get \n")) {
		log_warning("table %.*s: search key is too long",
			STR_ARG(map->label));
		return MAPS_ABSENT;
	}
	if (!link_talk(map->state, ask, &asked)) {
		log_warning("table %.*s: lookup failed: %m",
			STR_ARG(map->label));
		return MAPS_ERROR;
	}
	if (asked.result == MAPS_ERROR)
		log_warning("table %.*s: the server says: %.*s",
			STR_ARG(map->label), STR_ARG(*value));
	return asked.result;
}

const struct map_driver map_tcp = {
	.type = "tcp",
	.open = tcp_open,
	.find = tcp_find,
	.is_pattern = true,
	.keeps_case = true,
	.needs = MAPS_DIALS,
};
