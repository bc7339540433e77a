/*
 * maps/build_type - what a kind of database file is to maps/build.
 *
 * Waits    for the disk
 */
#ifndef MAPS_BUILD_TYPE_H
#define MAPS_BUILD_TYPE_H

#include "maps/build.h"

struct build_type {
	const char *type, *suffix;
	/* 0, or an error code that text() knows. */
	int (*open)(struct build *build, const struct conf *conf,
		bool is_new);
	int (*put)(struct build *build, struct str key, struct str value,
		bool replace); /* EEXIST: is there */
	/* ENOENT; NULL: files of this kind are written once. */
	int (*remove)(struct build *build, struct str key);
	int (*close)(struct build *build, bool keep);
	const char *(*text)(int error);
	const struct build_type *instead; /* NULL: itself */
	/* In warnings; else the file's path. */
	enum {
		BUILD_NAMED_BY_FILE,
		BUILD_NAMED_BY_TABLE,  /* "lmdb:name" */
		BUILD_NAMED_BY_SOURCE, /* "name" */
	} naming;
	bool no_nul;            /* keys and values never end in NUL */
};

/* build_db.c or db_lmdb.c, build_lmdb.c, build_cdb.c or cdb_none.c; no ->open:
 * this build cannot make them. */
extern const struct build_type build_hash, build_btree, build_lmdb, build_cdb;

#endif
