/*
 * cdb: constant databases, path.cdb, read with libcdb (tinycdb). Keys and
 * values with a NUL at their end are taken too.
 */
#include "maps/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <cdb.h>

struct cdb_state {
	struct cdb cdb;
	int fd;
	struct cdb_walk {
		unsigned at;
	} walk; /* one at a time */
};

static void close_cdb(void *context)
{
	struct cdb_state *state = context;

	cdb_free(&state->cdb);
	close(state->fd);
}

static void *cdb_open(struct map_opening *opening)
{
	struct str path = arena_fmt(opening->arena, "%.*s.cdb",
		STR_ARG(opening->name));
	struct cdb_state *state = arena_new_of(opening->arena,
		struct cdb_state);
	const char *copy;
	auto_close int fd = -1;

	if (!maps_snapshot(opening->arena, path.p, &copy, &fd))
		return map_cannot(opening, "open database %s: %m", path.p);
	state->fd = open(copy, O_RDONLY | O_CLOEXEC);
	if (state->fd < 0)
		return map_cannot(opening, "open database %s: %m", path.p);
	if (cdb_init(&state->cdb, state->fd) < 0) {
		int error = errno;

		close(state->fd);
		errno = error;
		return map_cannot(opening, "open database %s: %m", path.p);
	}
	arena_on_free(opening->arena, close_cdb, state);
	return state;
}

/* NONE with errno: the file is malformed. */
static struct str text_at(const struct cdb *cdb, unsigned len, unsigned at)
{
	const char *p = cdb_get(cdb, len, at);

	if (!p && len > 0)
		return STR_NONE;
	if (len > 0 && p[len - 1] == 0)
		len--;
	return str_of(p ? p : "", len);
}

static enum maps_result cdb_find_key(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct cdb_state *state = map->state;
	int found;

	(void)arena;
	if (key.len >= INT_MAX)
		return MAPS_ABSENT;
	found = cdb_find(&state->cdb, key.p, (unsigned)key.len);
	if (found == 0)
		found = cdb_find(&state->cdb, key.p, (unsigned)key.len + 1);
	if (found == 0)
		return MAPS_ABSENT;
	if (found < 0)
		return MAPS_ERROR;
	*value = text_at(&state->cdb, cdb_datalen(&state->cdb),
		cdb_datapos(&state->cdb));
	return str_is_none(*value) ? MAPS_ERROR : MAPS_FOUND;
}

static bool cdb_next(struct map *map, struct arena *arena,
	struct map_walk *walk)
{
	struct cdb_state *state = map->state;
	struct cdb *cdb = &state->cdb;
	struct cdb_walk *at = walk->at;

	(void)arena;
	if (!at) {
		walk->at = at = &state->walk;
		cdb_seqinit(&at->at, cdb);
	}
	if (cdb_seqnext(&at->at, cdb) <= 0)
		return false;
	walk->key = text_at(cdb, cdb_keylen(cdb), cdb_keypos(cdb));
	walk->value = text_at(cdb, cdb_datalen(cdb), cdb_datapos(cdb));
	return !str_is_none(walk->key) && !str_is_none(walk->value);
}

const struct map_driver map_cdb = {
	.type = "cdb",
	.open = cdb_open,
	.find = cdb_find_key,
	.next = cdb_next,
};
