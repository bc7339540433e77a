/*
 * Writing hash: and btree: files: Berkeley DB 5.3, as Postfix reads them.
 */
#include "maps/build_type.h"

#include <errno.h>

#include <db.h>

static void say_nothing(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

enum {
	CACHE_LEAST = 16 << 20,
	CACHE_MOST = 512 << 20,
	ENTRY_OCTETS = 40, /* of text, about */
};

/* Of the text file that the table is made from; 0: there is none. */
static size_t source_octets(const struct build *build)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stat st;
	const char *path = arena_cstr(arena,
		str_first(build->path, build->path.len - strlen(".db")));

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ?
		(size_t)st.st_size :
		0;
}

/* All of it in memory while it is made, and no growing in steps. */
static void set_sizes(DB *db, DBTYPE type, const struct build *build)
{
	size_t octets = source_octets(build), cache = octets * 4;

	cache = cache < CACHE_LEAST ? CACHE_LEAST :
		cache > CACHE_MOST  ? CACHE_MOST :
				      cache;
	db->set_cachesize(db, 0, (u_int32_t)cache, 0);
	if (type == DB_HASH && octets > CACHE_LEAST)
		db->set_h_nelem(db, (u_int32_t)(octets / ENTRY_OCTETS));
}

static int db_open_as(struct build *build, DBTYPE type, bool is_new)
{
	DB *db;
	int error = db_create(&db, NULL, 0);

	if (error)
		return error;
	db->set_errcall(db, say_nothing);
	set_sizes(db, type, build);
	error = db->open(db, NULL, build->temporary, NULL,
		is_new ? type : DB_UNKNOWN, is_new ? DB_CREATE : 0, 0644);
	if (error)
		db->close(db, DB_NOSYNC);
	else
		build->state = db;
	return error;
}

static int hash_open(struct build *build, const struct conf *conf, bool is_new)
{
	(void)conf;
	return db_open_as(build, DB_HASH, is_new);
}

static int btree_open(struct build *build, const struct conf *conf, bool is_new)
{
	(void)conf;
	return db_open_as(build, DB_BTREE, is_new);
}

static DBT dbt_of(struct str text)
{
	union {
		const char *p;
		void *data;
	} u = { text.p };

	return (DBT){ .data = u.data, .size = (u_int32_t)text.len };
}

static int db_put(struct build *build, struct str key, struct str value,
	bool replace)
{
	DB *db = build->state;
	DBT k = dbt_of(key), v = dbt_of(value);
	int error = db->put(db, NULL, &k, &v, DB_NOOVERWRITE);

	if (error != DB_KEYEXIST)
		return error;
	error = replace ? db->put(db, NULL, &k, &v, 0) : 0;
	return error ? error : EEXIST;
}

static int db_remove(struct build *build, struct str key)
{
	DB *db = build->state;
	DBT k = dbt_of(key);
	int error = db->del(db, NULL, &k, 0);

	return error == DB_NOTFOUND ? ENOENT : error;
}

static int db_close(struct build *build, bool keep)
{
	DB *db = build->state;

	return db->close(db, keep ? 0 : DB_NOSYNC);
}

static const char *db_text(int error)
{
	return db_strerror(error);
}

const struct build_type build_hash = {
	.type = "hash",
	.suffix = "db",
	.open = hash_open,
	.put = db_put,
	.remove = db_remove,
	.close = db_close,
	.text = db_text,
};

const struct build_type build_btree = {
	.type = "btree",
	.suffix = "db",
	.open = btree_open,
	.put = db_put,
	.remove = db_remove,
	.close = db_close,
	.text = db_text,
};
