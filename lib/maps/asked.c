#include "maps/asked.h"

#include <errno.h>

#include "base/log.h"

enum maps_result asked_find(struct asked *asked, struct links *links,
	bool (*ask)(struct stream *stream, void *context), size_t key_most)
{
	struct str label = asked->map->label;

	if (asked->key.len > key_most) {
		log_warning("table %.*s: search key is too long",
			STR_ARG(label));
		return MAPS_ABSENT;
	}
	if (!link_talk(links, ask, asked)) {
		log_warning("table %.*s: lookup failed: %m", STR_ARG(label));
		return MAPS_ERROR;
	}
	if (asked->result == MAPS_ERROR)
		log_warning("table %.*s: the server says: %.*s",
			STR_ARG(label), STR_ARG(*asked->value));
	return asked->result;
}

bool asked_is_odd(struct asked *asked, struct str answer)
{
	log_warning("table %.*s: unexpected reply: %.100s",
		STR_ARG(asked->map->label), arena_cstr(asked->arena, answer));
	errno = EPROTO;
	return false;
}
