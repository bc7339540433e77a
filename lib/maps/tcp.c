/*
 * tcp:host:port: a server that is asked "get key" in one line.
 */
#include "maps/asked.h"
#include "maps/wire.h"

enum {
	TIMEOUT_S = 100,
	KEEP_S = 10,
	TRIES = 2,
	PAUSE_S = 1,
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
	return wire_tcp_reply(asked->arena, line, &asked->result,
		       asked->value) ||
		asked_is_odd(asked, line);
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

	return asked_find(&asked, map->state, ask,
		WIRE_TCP_MOST - sizeof("get \n"));
}

const struct map_driver map_tcp = {
	.type = "tcp",
	.open = tcp_open,
	.find = tcp_find,
	.is_pattern = true,
	.keeps_case = true,
	.needs = MAPS_DIALS,
};
