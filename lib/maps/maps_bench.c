/*
 * What a lookup costs here, and what it costs by the library alone: hash:,
 * lmdb: and cdb:, with the same keys. maps_bench FOLDER [ENTRIES [LOOKUPS]]
 *
 * maps_bench FOLDER ENTRIES LOOKUPS TYPE ours|alone: only these lookups, for
 * somebody who counts instructions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>

#include <cdb.h>
#include <db.h>
#include <lmdb.h>

#include "base/log.h"
#include "base/span.h"
#include "maps/build.h"
#include "maps/driver.h"

enum {
	ENTRIES = 100000,
	LOOKUPS = 1000000,
	STEP = 7919, /* a prime: keys in no order */
	ROUNDS = 5,
};

static size_t entries = ENTRIES, lookups = LOOKUPS;
static struct str *keys;

static void make(struct arena *arena, const struct conf *conf,
	const char *type, struct str name)
{
	struct moment begun = moment_now();
	struct build build;

	if (!build_open(arena, conf, str_from(type), name, 0, &build))
		log_fatal("%s: cannot be built", type);
	for (size_t i = 0; i < entries; i++)
		if (build_put(&build, keys[i], STR("a value of some length")) !=
			BUILD_PUT)
			log_fatal("%s: cannot be written", type);
	if (!build_commit(&build, 0644))
		log_fatal("%s: cannot be finished", type);
	printf("%s: %zu entries built in %lld ms\n", type, entries,
		(long long)span_to_ms(moment_between(begun, moment_now())));
}

static double per_lookup(struct moment begun)
{
	return (double)moment_between(begun, moment_now()).us * 1000 /
		(double)lookups;
}

static double time_ours(const struct conf *conf, const char *type,
	struct str name)
{
	auto_arena struct arena *arena = arena_new(0), *one = arena_new(0);
	struct str error, value;
	struct map *map = map_open_or(arena, conf,
		arena_fmt(arena, "%s:%.*s", type, STR_ARG(name)), 0, 0,
		&error);
	struct moment begun = moment_now();

	if (!map)
		log_fatal("%.*s", STR_ARG(error));
	for (size_t i = 0; i < lookups; i++) {
		if (map_find(map, one, keys[i * STEP % entries], &value) !=
			MAPS_FOUND)
			log_fatal("%s: a key is missing", type);
		arena_reset(one);
	}
	return per_lookup(begun);
}

static double time_hash(struct str name)
{
	auto_arena struct arena *arena = arena_new(0);
	struct moment begun;
	DB *db;

	if (db_create(&db, NULL, 0) != 0 ||
		db->open(db, NULL, arena_join(arena, name, STR(".db")).p, NULL,
			DB_UNKNOWN, DB_RDONLY, 0) != 0)
		log_fatal("hash");
	begun = moment_now();
	for (size_t i = 0; i < lookups; i++) {
		struct str key = keys[i * STEP % entries];
		DBT k = { .size = (u_int32_t)key.len + 1 }, v = { 0 };

		memcpy(&k.data, &key.p, sizeof(k.data));
		if (db->get(db, NULL, &k, &v, 0) != 0)
			log_fatal("hash: a key is missing");
	}
	db->close(db, 0);
	return per_lookup(begun);
}

static double time_lmdb(struct str name)
{
	auto_arena struct arena *arena = arena_new(0);
	struct moment begun;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	if (mdb_env_create(&env) != 0 ||
		mdb_env_open(env, arena_join(arena, name, STR(".lmdb")).p,
			MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0) != 0 ||
		mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 ||
		mdb_dbi_open(txn, NULL, 0, &dbi) != 0)
		log_fatal("lmdb");
	begun = moment_now();
	for (size_t i = 0; i < lookups; i++) {
		struct str key = keys[i * STEP % entries];
		MDB_val k = { .mv_size = key.len + 1 }, v;

		memcpy(&k.mv_data, &key.p, sizeof(k.mv_data));
		if (mdb_get(txn, dbi, &k, &v) != 0)
			log_fatal("lmdb: a key is missing");
	}
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return per_lookup(begun);
}

static double time_cdb(struct str name)
{
	auto_arena struct arena *arena = arena_new(0);
	auto_close int fd = open(arena_join(arena, name, STR(".cdb")).p,
		O_RDONLY | O_CLOEXEC);
	struct moment begun;
	struct cdb cdb;

	if (fd < 0 || cdb_init(&cdb, fd) < 0)
		log_fatal("cdb");
	begun = moment_now();
	for (size_t i = 0; i < lookups; i++) {
		struct str key = keys[i * STEP % entries];

		if (cdb_find(&cdb, key.p, (unsigned)key.len) <= 0 ||
			!cdb_get(&cdb, cdb_datalen(&cdb), cdb_datapos(&cdb)))
			log_fatal("cdb: a key is missing");
	}
	cdb_free(&cdb);
	return per_lookup(begun);
}

static const struct {
	const char *type;
	double (*alone)(struct str name);
} types[] = { { "hash", time_hash }, { "lmdb", time_lmdb },
	{ "cdb", time_cdb } };

static void only(const struct conf *conf, struct str name, const char *type,
	const char *whose)
{
	for (size_t i = 0; i < COUNT(types); i++) {
		if (strcmp(types[i].type, type) != 0)
			continue;
		if (strcmp(whose, "alone") == 0)
			types[i].alone(name);
		else
			time_ours(conf, type, name);
		return;
	}
	log_fatal("%s: no such type", type);
}

static void compare(const struct conf *conf, struct str name, size_t i)
{
	double best[2] = { 1e9, 1e9 };

	for (int round = 0; round < ROUNDS; round++) {
		double ours = time_ours(conf, types[i].type, name),
		       alone = types[i].alone(name);

		best[0] = ours < best[0] ? ours : best[0];
		best[1] = alone < best[1] ? alone : best[1];
	}
	printf("%s: %.0f ns a lookup, the library alone %.0f ns: %.2f\n",
		types[i].type, best[0], best[1], best[0] / best[1]);
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	struct str name;

	if (argc < 2 || argc == 5)
		log_fatal("usage: maps_bench FOLDER [ENTRIES [LOOKUPS [TYPE "
			"ours|alone]]]");
	if (argc > 2)
		entries = strtoul(argv[2], NULL, 10);
	if (argc > 3)
		lookups = strtoul(argv[3], NULL, 10);
	name = arena_fmt(arena, "%s/table", argv[1]);
	keys = arena_array(arena, entries, sizeof(*keys));
	for (size_t i = 0; i < entries; i++)
		keys[i] = arena_fmt(arena, "user%zu@example.org", i);
	for (size_t i = 0; i < COUNT(types); i++) {
		if (argc > 5 && strcmp(argv[4], types[i].type) != 0)
			continue;
		make(arena, conf, types[i].type, name);
		if (argc <= 5)
			compare(conf, name, i);
	}
	if (argc > 5)
		only(conf, name, argv[4], argv[5]);
	return 0;
}
