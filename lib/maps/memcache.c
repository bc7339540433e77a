/*
 * memcache:/file: a memcached server, asked by its text protocol; what it does
 * not have is looked up in the backup table and stored there for `ttl`.
 */
#include "maps/settings.h"

#include <errno.h>

#include "base/log.h"
#include "maps/key_digest.h"
#include "maps/link.h"
#include "maps/template.h"
#include "maps/wire.h"

enum {
	KEEP_S = 60,
	TIMEOUT_S = 2,
	RETRY_S = 1,
	TRIES = 2,
	TTL_S = 3600,
	LINE_MOST = 1024,
	DATA_MOST = 10240,
};

struct memcache {
	struct links *links;
	struct map *backup; /* NULL: none */
	struct str key_format;
	const struct key_digest *digest; /* NULL: keys as they are */
	uint32_t flags;
	struct span ttl, timeout;
	size_t data_most;
};

struct asked {
	const struct memcache *memcache;
	struct arena *arena;
	struct str key, value; /* key: as memcached knows it */
	bool found;
};

static bool read_digest(struct map_opening *opening,
	const struct settings *settings, struct memcache *memcache)
{
	struct str name = settings_text(settings, "key_digest");
	const char *why;

	if (str_is_none(name) || name.len == 0)
		return true;
	memcache->digest = key_digest_open(opening->arena, name, &why);
	if (!memcache->digest)
		map_cannot(opening, "%.*s: key_digest: %s: %.*s",
			STR_ARG(opening->name), why, STR_ARG(name));
	return memcache->digest;
}

static bool read_backup(struct map_opening *opening,
	const struct settings *settings, struct memcache *memcache)
{
	struct str backup = settings_text(settings, "backup");

	if (str_is_none(backup) || backup.len == 0)
		return true;
	memcache->backup = map_open_or(opening->arena, opening->conf, backup,
		opening->flags, opening->depth + 1, &opening->error);
	return memcache->backup;
}

static void *memcache_open(struct map_opening *opening)
{
	struct memcache *memcache =
		arena_new_of(opening->arena, struct memcache);
	struct settings *settings = settings_open(opening);
	struct wire_place place;
	const char *fault;

	if (!settings)
		return NULL;
	memcache->key_format = settings_text_or(settings, "key_format", "%s");
	memcache->flags = (uint32_t)settings_int(settings, "flags", 0,
		UINT32_MAX, 0);
	memcache->ttl = settings_span(settings, "ttl", TTL_S);
	memcache->timeout = settings_span(settings, "timeout", TIMEOUT_S);
	memcache->data_most = (size_t)settings_int(settings, "data_size_limit",
		1, 1 << 20, DATA_MOST);
	fault = template_fault(memcache->key_format);
	if (fault)
		return map_cannot(opening, "%.*s: key_format: %s",
			STR_ARG(opening->name), fault);
	if (!wire_memcache_place(opening->arena,
		    settings_text_or(settings, "memcache",
			    "inet:localhost:11211"),
		    &place))
		return map_cannot(opening, "%.*s: memcache: expected "
			"inet:host:port or unix:/path",
			STR_ARG(opening->name));
	if (!read_digest(opening, settings, memcache) ||
		!read_backup(opening, settings, memcache))
		return NULL;
	memcache->links = links_new(opening->arena,
		&(struct links_plan){
			.endpoint = place.endpoint,
			.timeout = memcache->timeout,
			.keep = span_s(KEEP_S),
			.tries = (unsigned)settings_int(settings, "max_try", 1,
				100, TRIES),
			.retry_pause = settings_span(settings, "retry_pause",
				RETRY_S),
			.line_limit = (size_t)settings_int(settings,
				"line_size_limit", 1, 1 << 20, LINE_MOST),
		});
	return memcache;
}

/* ---- the conversation ---- */

/* The value's octets and CRLF, and the line END. */
static bool read_value(struct stream *stream, struct asked *asked, size_t len)
{
	const struct memcache *memcache = asked->memcache;
	struct buf out = BUF_IN(asked->arena);
	struct str some;

	while (out.len < len + 2) {
		if (!io_peek(stream, &some, memcache->timeout))
			return false;
		some = str_first(some, len + 2 - out.len);
		buf_add(&out, some);
		stream_consume(stream, some.len);
	}
	asked->value = str_first(buf_str(&out), len);
	errno = EPROTO;
	return str_ends(buf_str(&out), STR("\r\n")) &&
		io_line(stream, &some, memcache->timeout) &&
		str_is(some, "END");
}

static bool get(struct stream *stream, void *context)
{
	struct asked *asked = context;
	uint64_t len = 0;
	struct str line;

	if (!io_fmt(stream, "get %.*s\r\n", STR_ARG(asked->key)) ||
		!io_line(stream, &line, asked->memcache->timeout))
		return false;
	errno = EPROTO;
	if (!wire_memcache_reply(line, asked->key, &asked->found, &len))
		return false;
	errno = EMSGSIZE;
	return !asked->found || (len <= asked->memcache->data_most &&
					read_value(stream, asked, len));
}

static bool set(struct stream *stream, void *context)
{
	struct asked *asked = context;
	const struct memcache *memcache = asked->memcache;
	struct str line;

	if (!io_fmt(stream, "set %.*s %u %lld %zu\r\n", STR_ARG(asked->key),
		    memcache->flags, (long long)span_to_s(memcache->ttl),
		    asked->value.len) ||
		!io_write(stream, asked->value) || !io_text(stream, "\r\n") ||
		!io_line(stream, &line, memcache->timeout))
		return false;
	errno = EPROTO;
	return str_is(line, "STORED");
}

/* NONE: memcached cannot have this key. */
static struct str cache_key(const struct memcache *memcache,
	struct arena *arena, struct str key)
{
	struct buf out = BUF_IN(arena), hex = BUF_IN(arena);

	if (!template_format(memcache->key_format, key, STR_NONE, NULL, &out))
		return STR_NONE;
	if (!memcache->digest) {
		key = wire_memcache_key(arena, buf_str(&out));
		return key.len <= WIRE_MEMCACHE_KEY_MOST ? key : STR_NONE;
	}
	if (!key_digest_format(memcache->digest, buf_str(&out), &hex))
		return STR_NONE;
	return buf_str(&hex);
}

static enum maps_result find_backup(struct map *map, struct asked *asked,
	struct str key, bool is_reached, struct str *value)
{
	const struct memcache *memcache = map->state;
	enum maps_result result =
		map_find(memcache->backup, asked->arena, key, value);

	if (result != MAPS_FOUND || !is_reached ||
		value->len > memcache->data_most)
		return result;
	asked->value = *value;
	if (!link_talk(memcache->links, set, asked))
		log_warning("table %.*s: cannot store: %m",
			STR_ARG(map->label));
	return result;
}

static enum maps_result memcache_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct memcache *memcache = map->state;
	struct asked asked = { .memcache = memcache, .arena = arena,
		.key = cache_key(memcache, arena, key) };
	bool is_reached = !str_is_none(asked.key) &&
		link_talk(memcache->links, get, &asked);

	if (is_reached && asked.found) {
		*value = asked.value;
		return MAPS_FOUND;
	}
	if (!is_reached && !str_is_none(asked.key))
		log_warning("table %.*s: lookup failed: %m",
			STR_ARG(map->label));
	if (memcache->backup)
		return find_backup(map, &asked, key, is_reached, value);
	return is_reached || str_is_none(asked.key) ? MAPS_ABSENT
						     : MAPS_ERROR;
}

const struct map_driver map_memcache = {
	.type = "memcache",
	.open = memcache_open,
	.find = memcache_find,
	.needs = MAPS_DIALS,
};
