/*
 * hash: and btree: Berkeley DB 5.3 files as Postfix writes them: keys and
 * values end in NUL; files of other writers may lack it.
 */
#include "maps/driver.h"

#include <errno.h>
#include <unistd.h>

#include <db.h>

enum {
	VERIFIED_MOST = 8 << 20, /* octets: it takes 15 ms for each MiB */
};

enum nul {
	NUL_UNKNOWN,
	NUL_YES,
	NUL_NO,
};

struct db_state {
	DB *db;
	enum nul nul; /* learnt from the first key that was found */
};

static void close_db(void *context)
{
	struct db_state *state = context;

	state->db->close(state->db, DB_NOSYNC);
}

static void say_nothing(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

static void show_nothing(const DB_ENV *env, const char *text)
{
	(void)env;
	(void)text;
}

/* The library believes what it reads, unless it is asked to look first. */
static int verify(const char *path)
{
	DB *db;
	int error = db_create(&db, NULL, 0);

	if (error)
		return error;
	db->set_errcall(db, say_nothing);
	db->set_msgcall(db, show_nothing);
	return db->verify(db, path, NULL, NULL, 0); /* ends the handle */
}

static struct db_state *open_path(struct map_opening *opening, const char *path,
	bool is_small)
{
	struct db_state *state = arena_new_of(opening->arena, struct db_state);
	int error = is_small ? verify(path) : 0;

	if (error)
		return map_cannot(opening, "open database %.*s.db: %s",
			STR_ARG(opening->name), db_strerror(error));
	error = db_create(&state->db, NULL, 0);
	if (error)
		return map_cannot(opening, "db_create: %s", db_strerror(error));
	state->db->set_errcall(state->db, say_nothing);
	error = state->db->open(state->db, NULL, path, NULL, DB_UNKNOWN,
		DB_RDONLY, 0);
	if (error) {
		state->db->close(state->db, DB_NOSYNC);
		return map_cannot(opening, "open database %.*s.db: %s",
			STR_ARG(opening->name), db_strerror(error));
	}
	arena_on_free(opening->arena, close_db, state);
	return state;
}

static void *db_open(struct map_opening *opening)
{
	struct str path = arena_fmt(opening->arena, "%.*s.db",
		STR_ARG(opening->name));
	struct db_state *state;
	const char *copy;
	int fd;

	if (!maps_snapshot(opening->arena, path.p, &copy, &fd)) {
		base_close(&fd);
		return map_cannot(opening, "open database %s: %m", path.p);
	}
	state = open_path(opening, copy,
		fd >= 0 && lseek(fd, 0, SEEK_END) <= VERIFIED_MOST);
	base_close(&fd);
	return state;
}

static struct str text_of(struct arena *arena, const DBT *data)
{
	struct str text = str_of(data->data, data->size);

	if (text.len > 0 && text.p[text.len - 1] == 0)
		text.len--;
	return arena_copy(arena, text);
}

static int get(struct db_state *state, struct str key, bool nul, DBT *data)
{
	union {
		const char *p;
		void *data;
	} u = { key.p };
	DBT dbt = { .data = u.data, .size = (u_int32_t)(key.len + nul) };

	*data = (DBT){ 0 };
	return state->db->get(state->db, NULL, &dbt, data, 0);
}

static enum maps_result db_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct db_state *state = map->state;
	int error = DB_NOTFOUND;
	DBT data;

	if (state->nul != NUL_NO) {
		error = get(state, key, true, &data);
		if (error == 0)
			state->nul = NUL_YES;
	}
	if (error == DB_NOTFOUND && state->nul != NUL_YES) {
		error = get(state, key, false, &data);
		if (error == 0)
			state->nul = NUL_NO;
	}
	if (error)
		return error == DB_NOTFOUND ? MAPS_ABSENT : MAPS_ERROR;
	*value = text_of(arena, &data);
	return MAPS_FOUND;
}

static bool db_next(struct map *map, struct arena *arena, struct map_walk *walk)
{
	struct db_state *state = map->state;
	DBC *cursor = walk->at;
	DBT key = { 0 }, data = { 0 };

	if (!cursor && state->db->cursor(state->db, NULL, &cursor, 0) != 0)
		return false;
	walk->at = cursor;
	if (cursor->get(cursor, &key, &data, DB_NEXT) != 0) {
		cursor->close(cursor);
		walk->at = NULL;
		return false;
	}
	walk->key = text_of(arena, &key);
	walk->value = text_of(arena, &data);
	return true;
}

const struct map_driver map_hash = {
	.type = "hash",
	.open = db_open,
	.find = db_find,
	.next = db_next,
};

const struct map_driver map_btree = {
	.type = "btree",
	.open = db_open,
	.find = db_find,
	.next = db_next,
};
