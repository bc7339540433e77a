/*
 * Writing lmdb: files.
 */
#include "maps/build_type.h"

#include <errno.h>

#include <lmdb.h>

#include "maps/pages.h"

enum { LMDB_SIZE_LEAST = 16 << 20 };

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
	if (pages_wrong_file(build->temporary)) {
		mdb_env_close(lmdb->env);
		return MDB_CORRUPTED;
	}
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

const struct build_type build_lmdb = {
	.type = "lmdb",
	.suffix = "lmdb",
	.open = lmdb_open,
	.put = lmdb_put,
	.remove = lmdb_remove,
	.close = lmdb_close,
	.text = lmdb_text,
	.naming = BUILD_NAMED_BY_TABLE,
};
