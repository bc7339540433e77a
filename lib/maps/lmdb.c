/*
 * lmdb: one LMDB file, path.lmdb, as Postfix writes it (keys and values end in
 * NUL). The environment is a copy in memory, or the file itself: its readers
 * take no locks, as Postfix's do not.
 */
#include "maps/driver.h"

#include <errno.h>

#include <lmdb.h>

#include "maps/pages.h"

struct lmdb_state {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

static void close_env(void *context)
{
	struct lmdb_state *state = context;

	if (state->txn)
		mdb_txn_abort(state->txn);
	mdb_env_close(state->env);
}

static int open_env(struct lmdb_state *state, const char *path)
{
	int error = mdb_env_open(state->env, path,
		MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);

	if (!error)
		error = mdb_txn_begin(state->env, NULL, MDB_RDONLY,
			&state->txn);
	if (!error)
		error = mdb_dbi_open(state->txn, NULL, 0, &state->dbi);
	return error;
}

static void *lmdb_open(struct map_opening *opening)
{
	struct lmdb_state *state = arena_new_of(opening->arena,
		struct lmdb_state);
	struct str path = arena_fmt(opening->arena, "%.*s.lmdb",
		STR_ARG(opening->name));
	const char *copy, *wrong;
	int error, fd;

	if (!maps_snapshot(opening->arena, path.p, &copy, &fd)) {
		base_close(&fd);
		return map_cannot(opening, "open database %s: %m", path.p);
	}
	wrong = pages_wrong_file(copy);
	if (wrong) {
		base_close(&fd);
		return map_cannot(opening, "open database %s: damaged: %s",
			path.p, wrong);
	}
	error = mdb_env_create(&state->env);
	if (!error) {
		arena_on_free(opening->arena, close_env, state);
		error = open_env(state, copy);
	}
	base_close(&fd);
	if (error)
		return map_cannot(opening, "open database %s: %s", path.p,
			mdb_strerror(error));
	return state;
}

/* The file's own memory, which nothing changes: see lmdb_open. */
static struct str text_of(const MDB_val *data)
{
	struct str text = str_of(data->mv_data, data->mv_size);

	if (text.len > 0 && text.p[text.len - 1] == 0)
		text.len--;
	return text;
}

static int get(struct lmdb_state *state, struct str key, MDB_val *data)
{
	union {
		const char *p;
		void *data;
	} u = { key.p };
	MDB_val wanted = { .mv_data = u.data, .mv_size = key.len };

	return mdb_get(state->txn, state->dbi, &wanted, data);
}

static enum maps_result lmdb_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct lmdb_state *state = map->state;
	MDB_val data;
	int error;

	(void)arena;
	error = get(state, str_of(key.p, key.len + 1), &data);
	if (error == MDB_NOTFOUND)
		error = get(state, key, &data);
	if (error == MDB_NOTFOUND || error == MDB_BAD_VALSIZE)
		return MAPS_ABSENT;
	if (error)
		return MAPS_ERROR;
	*value = text_of(&data);
	return MAPS_FOUND;
}

static bool lmdb_next(struct map *map, struct arena *arena,
	struct map_walk *walk)
{
	struct lmdb_state *state = map->state;
	MDB_cursor *cursor = walk->at;
	MDB_val key, data;

	(void)arena;
	if (!cursor && mdb_cursor_open(state->txn, state->dbi, &cursor) != 0)
		return false;
	walk->at = cursor;
	if (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) != 0) {
		mdb_cursor_close(cursor);
		walk->at = NULL;
		return false;
	}
	walk->key = text_of(&key);
	walk->value = text_of(&data);
	return true;
}

const struct map_driver map_lmdb = {
	.type = "lmdb",
	.open = lmdb_open,
	.find = lmdb_find,
	.next = lmdb_next,
};
