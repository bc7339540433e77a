/*
 * socketmap:inet:host:port:name, socketmap:unix:path:name: a server that is
 * asked "name key" in a netstring.
 */
#include "maps/asked.h"

#include <errno.h>

#include "maps/wire.h"

enum {
	TIMEOUT_S = 100,
	KEEP_S = 10,
	TRIES = 2,
	PAUSE_S = 1,
	LENGTH_MOST = 11, /* "2147483647:" */
};

struct socketmap {
	struct links *links;
	struct str name;
	size_t query_most, reply_most;
};

static void *socketmap_open(struct map_opening *opening)
{
	struct socketmap *socketmap = arena_new_of(opening->arena,
		struct socketmap);
	struct wire_place place;

	if (!wire_socketmap_place(opening->arena, opening->name, &place) ||
		place.name.len >= (size_t)
			opening->conf->socketmap_max_query_size)
		return map_cannot(opening, "socketmap:%.*s: expected "
			"socketmap:inet:host:port:name or "
			"socketmap:unix:path:name",
			STR_ARG(opening->name));
	socketmap->name = place.name;
	socketmap->query_most =
		(size_t)opening->conf->socketmap_max_query_size;
	socketmap->reply_most =
		(size_t)opening->conf->socketmap_max_reply_size;
	socketmap->links = links_new(opening->arena,
		&(struct links_plan){
			.endpoint = place.endpoint,
			.timeout = span_s(TIMEOUT_S),
			.keep = span_s(KEEP_S),
			.tries = TRIES,
			.retry_pause = span_s(PAUSE_S),
			.line_limit = STREAM_LINE_MOST,
		});
	return socketmap;
}

/* The rest of the netstring whose first `have` octets are in `whole`. */
static bool read_rest(struct stream *stream, struct buf *whole, size_t need)
{
	struct str some;

	while (whole->len < need) {
		if (!io_peek(stream, &some, span_s(TIMEOUT_S)))
			return false;
		some = str_first(some, need - whole->len);
		buf_add(whole, some);
		stream_consume(stream, some.len);
	}
	return true;
}

/* Octet by octet up to the ':', so that nothing behind is taken. */
static bool read_netstring(struct stream *stream, struct arena *arena,
	size_t most, struct str *text)
{
	struct buf whole = BUF_IN(arena);
	size_t need = 0;

	for (size_t i = 1; i <= LENGTH_MOST && need == 0; i++) {
		if (!read_rest(stream, &whole, i))
			return false;
		if (whole.p[i - 1] == ':' &&
			!wire_netstring_need(buf_str(&whole), most, &need))
			break;
	}
	errno = EPROTO;
	return need > 0 && read_rest(stream, &whole, need) &&
		wire_netstring_parse(buf_str(&whole), text);
}

static bool ask(struct stream *stream, void *context)
{
	struct asked *asked = context;
	const struct socketmap *socketmap = asked->map->state;
	struct str text;

	if (!io_fmt(stream, "%zu:%.*s %.*s,",
		    socketmap->name.len + 1 + asked->key.len,
		    STR_ARG(socketmap->name), STR_ARG(asked->key)) ||
		!read_netstring(stream, asked->arena, socketmap->reply_most,
			&text))
		return false;
	return wire_socketmap_reply(text, &asked->result, asked->value) ||
		asked_is_odd(asked, text);
}

static enum maps_result socketmap_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct socketmap *socketmap = map->state;
	struct asked asked = { .map = map, .arena = arena, .key = key,
		.value = value };

	return asked_find(&asked, socketmap->links, ask,
		socketmap->query_most - 1 - socketmap->name.len);
}

const struct map_driver map_socketmap = {
	.type = "socketmap",
	.open = socketmap_open,
	.find = socketmap_find,
	.is_pattern = true,
	.keeps_case = true,
	.needs = MAPS_DIALS,
};
