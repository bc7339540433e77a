#include "maps/remote.h"

#include "base/log.h"
#include "ipc/messages.h"
#include "service/service.h"

enum { ANSWER_S = 110 }; /* a little longer than its own wait for a server */

struct remote {
	const char *daemon;
	struct str table;
};

const char *remote_daemon(const struct map_driver *driver, unsigned flags)
{
	if (str_is_none(service_row()) || service_is_alone() ||
		!(driver->needs & ~flags))
		return NULL;
	return driver->needs == MAPS_BLOCKS ? "querymap" : "proxymap";
}

void *remote_open(struct map_opening *opening, const char *daemon,
	struct str table)
{
	struct remote *remote = arena_new_of(opening->arena, struct remote);

	remote->daemon = daemon;
	remote->table = arena_copy(opening->arena, table);
	return remote;
}

static enum maps_result ask(const struct remote *remote, struct call *call,
	struct arena *arena, unsigned flags, struct str key, struct str *value)
{
	struct msg_map_find ask = {
		.table = remote->table,
		.flags = flags,
		.key = key,
	};
	struct msg_map_found answer;

	if (!call || !msg_map_find_send(call, &ask) ||
		!msg_map_found_recv(call, &answer, span_s(ANSWER_S))) {
		log_warning("%.*s: no answer from %s: %m",
			STR_ARG(remote->table), remote->daemon);
		return MAPS_ERROR;
	}
	*value = arena_copy(arena, answer.value);
	return answer.result == MAPS_FOUND && !str_is_none(*value) ?
			MAPS_FOUND :
	       answer.result == MAPS_ABSENT ? MAPS_ABSENT :
					      MAPS_ERROR;
}

enum maps_result remote_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct remote *remote = map->state;
	auto_arena struct arena *scratch = arena_new(0); /* the call's */
	struct call *call =
		service_call(scratch, remote->daemon, span_s(ANSWER_S));

	return ask(remote, call, arena, map->flags & MAPS_NO_SUBSTITUTION, key,
		value);
}
