/*
 * maps/pages_lab - an LMDB file to damage, for pages_test and pages_fuzz.
 */
#ifndef MAPS_PAGES_LAB_H
#define MAPS_PAGES_LAB_H

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "maps/pages.h"

enum {
	LAB_KEYS = 300,
	LAB_LARGE = 9000, /* octets of every 16th value */
};

static const char *lab_path(int fd)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void lab_put(MDB_txn *txn, MDB_dbi dbi, int i, char c)
{
	static char value[LAB_LARGE];
	char key[32];
	MDB_val k = { .mv_data = key, .mv_size = (size_t)snprintf(key,
		sizeof(key), "key%d@example.org", i) + 1 };
	MDB_val v = { .mv_data = value,
		.mv_size = i % 16 == 0 ? LAB_LARGE : (size_t)(i % 64) };

	memset(value, c, sizeof(value));
	if (mdb_put(txn, dbi, &k, &v, 0) != 0)
		abort();
}

static void lab_remove(MDB_txn *txn, MDB_dbi dbi, int i)
{
	char key[32];
	MDB_val k = { .mv_data = key, .mv_size = (size_t)snprintf(key,
		sizeof(key), "key%d@example.org", i) + 1 };
	int error = mdb_del(txn, dbi, &k, NULL);

	if (error && error != MDB_NOTFOUND)
		abort();
}

static MDB_env *lab_open(int fd, unsigned flags)
{
	MDB_env *env;

	if (mdb_env_create(&env) != 0)
		abort();
	mdb_env_set_maxdbs(env, 8);
	mdb_env_set_mapsize(env, 8 << 20);
	if (mdb_env_open(env, lab_path(fd),
		MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC | flags, 0600) == 0)
		return env;
	mdb_env_close(env);
	return NULL;
}

/* Two databases, with large values and free pages; whole after each commit. */
static int lab_new(void)
{
	int fd = memfd_create("pages", MFD_CLOEXEC);
	MDB_env *env = fd < 0 ? NULL : lab_open(fd, 0);

	for (int round = 0; env && round < 8; round++) {
		MDB_txn *txn;
		MDB_dbi named, plain;

		if (mdb_txn_begin(env, NULL, 0, &txn) != 0 ||
			mdb_dbi_open(txn, "named", MDB_CREATE, &named) != 0 ||
			mdb_dbi_open(txn, NULL, 0, &plain) != 0)
			abort();
		for (int i = round; i < LAB_KEYS; i += 1 + round % 3)
			lab_put(txn, i % 3 ? named : plain, i,
				(char)('a' + round));
		for (int i = 0; i < LAB_KEYS / 2; i += 3 + round)
			lab_remove(txn, i % 3 ? named : plain, i);
		if (mdb_txn_commit(txn) != 0 ||
			pages_wrong_file(lab_path(fd)))
			abort();
	}
	if (!env)
		abort();
	mdb_env_close(env);
	return fd;
}

static size_t lab_walk(MDB_txn *txn, MDB_dbi dbi)
{
	volatile size_t sum = 0;
	MDB_cursor *cursor;
	MDB_val k, v;

	if (mdb_cursor_open(txn, dbi, &cursor) != 0)
		return 0;
	for (size_t n = 0; n < 100000 &&
		mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0;
		n++) {
		for (size_t i = 0; i < k.mv_size; i++)
			sum += ((unsigned char *)k.mv_data)[i];
		for (size_t i = 0; i < v.mv_size; i++)
			sum += ((unsigned char *)v.mv_data)[i];
	}
	mdb_cursor_close(cursor);
	return sum;
}

/* What a reader and a writer do with it. */
static void lab_use(int fd)
{
	static const char *const names[] = { NULL, "named" };
	MDB_env *env = lab_open(fd, 0);
	MDB_txn *txn;
	MDB_dbi dbi;

	if (!env)
		return;
	for (int round = 0; round < 3 &&
		mdb_txn_begin(env, NULL, 0, &txn) == 0;
		round++) {
		for (size_t n = 0; n < 2; n++) {
			if (mdb_dbi_open(txn, names[n], 0, &dbi) != 0)
				continue;
			lab_walk(txn, dbi);
			for (int i = round; i < LAB_KEYS; i += 7) {
				char key[32];
				MDB_val v, k = { .mv_data = key,
					.mv_size = (size_t)snprintf(key,
						sizeof(key),
						"key%d@example.org", i) + 1 };

				if (i % 2)
					(void)mdb_del(txn, dbi, &k, NULL);
				v = (MDB_val){ .mv_data = key, .mv_size = 8 };
				(void)mdb_put(txn, dbi, &k, &v, 0);
			}
		}
		(void)mdb_txn_commit(txn);
	}
	mdb_env_close(env);
}

#endif
