/*
 * maps/asked - one lookup that a server answers: tcp, socketmap.
 *
 * Memory   in the arena of the lookup
 * Waits    asked_find
 */
#ifndef MAPS_ASKED_H
#define MAPS_ASKED_H

#include "maps/driver.h"
#include "maps/link.h"

struct asked {
	struct map *map;
	struct arena *arena;
	struct str key; /* as the request has it */
	struct str *value;
	enum maps_result result;
};

/*
 * Have `ask`, whose context is `asked`, with the server, and log what went
 * wrong: no answer, a server that reports an error, or a request that would
 * have more than key_most octets of key, which no entry can have.
 */
enum maps_result asked_find(struct asked *asked, struct links *links,
	bool (*ask)(struct stream *stream, void *context), size_t key_most);

/* The server's answer is none: log it; false, with errno. */
bool asked_is_odd(struct asked *asked, struct str answer);

#endif
