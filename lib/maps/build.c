#include "maps/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include <db.h>
#include <lmdb.h>

enum {
	LMDB_SIZE_LEAST = 16 << 20,
	PATH_TRIES = 100,
};

struct build_type {
	const char *type, *suffix;
	/* 0, or an error code of the library. */
	int (*open)(struct build *build, const struct conf *conf,
		bool is_new);
	int (*put)(struct build *build, struct str key, struct str value,
		bool replace); /* EEXIST: is there */
	int (*remove)(struct build *build, struct str key); /* ENOENT */
	int (*close)(struct build *build, bool keep);
	const char *(*text)(int error);
};

/* ---- Berkeley DB ---- */

static void say_nothing(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

static int db_open_as(struct build *build, DBTYPE type, bool is_new)
{
	DB *db;
	int error = db_create(&db, NULL, 0);

	if (error)
		return error;
	db->set_errcall(db, say_nothing);
	db->set_cachesize(db, 0, 16 << 20, 0);
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

/* ---- LMDB ---- */

struct lmdb {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

static int lmdb_open(struct build *build, const struct conf *conf, bool is_new)
{
	struct lmdb *lmdb = arena_new_of(build->arena, struct lmdb);
	size_t size = (size_t)conf->lmdb_map_size;
	int error = mdb_env_create(&lmdb->env);

	(void)is_new;
	if (error)
		return error;
	build->state = lmdb;
	size = size < LMDB_SIZE_LEAST ? LMDB_SIZE_LEAST : size;
	mdb_env_set_mapsize(lmdb->env, size * 64); /* sparse: costs nothing */
	error = mdb_env_open(lmdb->env, build->temporary,
		MDB_NOSUBDIR | MDB_NOLOCK, 0644);
	if (!error)
		error = mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->txn);
	if (!error)
		error = mdb_dbi_open(lmdb->txn, NULL, 0, &lmdb->dbi);
	if (error) {
		if (lmdb->txn)
			mdb_txn_abort(lmdb->txn);
		mdb_env_close(lmdb->env);
		build->state = NULL;
	}
	return error;
}

static MDB_val val_of(struct str text)
{
	union {
		const char *p;
		void *data;
	} u = { text.p };

	return (MDB_val){ .mv_data = u.data, .mv_size = text.len };
}

static int lmdb_put(struct build *build, struct str key, struct str value,
	bool replace)
{
	struct lmdb *lmdb = build->state;
	MDB_val k = val_of(key), v = val_of(value);
	int error = mdb_put(lmdb->txn, lmdb->dbi, &k, &v, MDB_NOOVERWRITE);

	if (error != MDB_KEYEXIST)
		return error;
	v = val_of(value);
	error = replace ? mdb_put(lmdb->txn, lmdb->dbi, &k, &v, 0) : 0;
	return error ? error : EEXIST;
}

static int lmdb_remove(struct build *build, struct str key)
{
	struct lmdb *lmdb = build->state;
	MDB_val k = val_of(key);
	int error = mdb_del(lmdb->txn, lmdb->dbi, &k, NULL);

	return error == MDB_NOTFOUND ? ENOENT : error;
}

static int lmdb_close(struct build *build, bool keep)
{
	struct lmdb *lmdb = build->state;
	int error = 0;

	if (keep)
		error = mdb_txn_commit(lmdb->txn);
	else
		mdb_txn_abort(lmdb->txn);
	mdb_env_close(lmdb->env);
	return error;
}

static const char *lmdb_text(int error)
{
	return mdb_strerror(error);
}

static const struct build_type types[] = {
	{ "hash", "db", hash_open, db_put, db_remove, db_close, db_text },
	{ "btree", "db", btree_open, db_put, db_remove, db_close, db_text },
	{ "lmdb", "lmdb", lmdb_open, lmdb_put, lmdb_remove, lmdb_close,
		lmdb_text },
};

/* ---- the file ---- */

static bool fail(struct build *build, const char *what, const char *why)
{
	build->error = arena_fmt(build->arena, "%s %.*s: %s", what,
		STR_ARG(build->path), why);
	return false;
}

/* A fresh, empty file beside the one to be; nobody else's. */
static int create(struct build *build)
{
	int fd = -1;

	for (int i = 0; i < PATH_TRIES && fd < 0; i++) {
		build->temporary = arena_fmt(build->arena, "%.*s.new-%d-%d",
			STR_ARG(build->path), getpid(), i)
					   .p;
		fd = open(build->temporary,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

static bool copy(int from, int to)
{
	char block[1 << 14];
	ssize_t got;

	while ((got = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)got) != got)
			return false;
	return got == 0;
}

/* The present content, as base of changes; none: a new file. */
static bool copy_present(struct build *build, int to, bool *is_new)
{
	auto_close int from = open(build->path.p, O_RDONLY | O_CLOEXEC);

	*is_new = true;
	if (from < 0)
		return errno == ENOENT;
	*is_new = false;
	return flock(from, LOCK_SH) == 0 && copy(from, to);
}

static const struct build_type *find_type(struct str type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (str_is(type, types[i].type))
			return &types[i];
	return NULL;
}

bool build_open(struct arena *arena, const struct conf *conf, struct str type,
	struct str name, unsigned flags, struct build *build)
{
	auto_close int fd = -1;
	bool is_new = true;
	int error;

	*build = (struct build){ .arena = arena, .flags = flags };
	build->type = find_type(type);
	if (!build->type)
		return false;
	build->path = arena_fmt(arena, "%.*s.%s", STR_ARG(name),
		build->type->suffix);
	build->label = str_is(type, "lmdb") ?
		arena_fmt(arena, "lmdb:%.*s", STR_ARG(name)) :
		build->path;
	fd = create(build);
	if (fd < 0)
		return fail(build, "create", strerror(errno));
	if (flags & BUILD_CHANGE && !copy_present(build, fd, &is_new)) {
		fail(build, "open database", strerror(errno));
		unlink(build->temporary);
		return false;
	}
	error = build->type->open(build, conf, is_new);
	if (!error)
		return true;
	fail(build, "open database", build->type->text(error));
	unlink(build->temporary);
	return false;
}

/* With the NUL that arena_copy puts behind every copy. */
static struct str stored(struct build *build, struct str text)
{
	text = arena_copy(build->arena, text);
	return str_of(text.p, text.len + !(build->flags & BUILD_NO_NUL));
}

enum build_put build_put(struct build *build, struct str key,
	struct str value)
{
	int error = build->type->put(build, stored(build, key),
		stored(build, value), build->flags & BUILD_REPLACE);

	if (error == 0)
		return BUILD_PUT;
	if (error == EEXIST)
		return BUILD_DUPLICATE;
	fail(build, "write", build->type->text(error));
	return BUILD_FAILED;
}

bool build_delete(struct build *build, struct str key)
{
	struct str with = stored(build, key);
	int error = build->type->remove(build, with);

	if (error == ENOENT)
		error = build->type->remove(build,
			str_of(with.p, key.len));
	if (error && error != ENOENT)
		fail(build, "write", build->type->text(error));
	return error == 0;
}

bool build_commit(struct build *build, mode_t mode)
{
	int error = build->type->close(build, true);
	auto_close int fd = -1;

	build->state = NULL;
	if (error) {
		fail(build, "write", build->type->text(error));
	} else {
		fd = open(build->temporary, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && fchmod(fd, mode) == 0 && fsync(fd) == 0 &&
			rename(build->temporary, build->path.p) == 0)
			return true;
		fail(build, "write", strerror(errno));
	}
	unlink(build->temporary);
	return false;
}

void build_abandon(struct build *build)
{
	if (build->state)
		build->type->close(build, false);
	build->state = NULL;
	unlink(build->temporary);
}
