/*
 * maps/driver - what a type of table is to lib/maps.
 *
 * Waits    find: for proxy: and tables on servers only
 */
#ifndef MAPS_DRIVER_H
#define MAPS_DRIVER_H

#include "base/table.h"
#include "maps/maps.h"

struct map;

struct map_opening {
	struct arena *arena;
	const struct conf *conf;
	struct str type, name; /* "hash", "/etc/aliases"; or inline:{...} */
	unsigned flags;
	unsigned depth; /* tables within tables */
	bool is_pattern; /* set by open: like driver->is_pattern */
	struct str error; /* set when open fails: one line */
};

/* Entries, one after the other, for postmap -s. */
struct map_walk {
	struct str key, value;
	void *at; /* the driver's */
};

struct map_driver {
	const char *type;
	/* The driver's state, or NULL with ->error set. */
	void *(*open)(struct map_opening *opening);
	/* A NUL stands behind the key. Values live as long as the arena, or
	 * the table. */
	enum maps_result (*find)(struct map *map, struct arena *arena,
		struct str key, struct str *value);
	/* Optional. False at the end. */
	bool (*next)(struct map *map, struct arena *arena,
		struct map_walk *walk);
	/* Optional: other keys are absent (or MAPS_ERROR); never blocks. */
	enum maps_result (*wants)(struct map *map, struct arena *arena,
		struct str key);
	bool is_pattern; /* is asked for whole keys only */
	bool keeps_case; /* keys are given as they are */
	unsigned needs;  /* MAPS_DIALS or MAPS_BLOCKS: on a server */
};

struct map {
	const struct map_driver *driver;
	struct str label; /* "type:name" */
	void *state;
	unsigned flags;
	bool is_pattern;
	unsigned line; /* of the rule that matched last; pattern types only */
	const struct conf *conf;
};

enum { MAP_DEPTH_MOST = 8 };

/* One table, "type:name"; never NULL: what cannot be opened gives MAPS_ERROR
 * at every lookup, and a warning now. `parameter` may be NULL. */
struct map *map_open(struct arena *arena, const struct conf *conf,
	const char *parameter, struct str element, unsigned flags,
	unsigned depth);
/* The same, but NULL and `error` when it cannot be opened. */
struct map *map_open_or(struct arena *arena, const struct conf *conf,
	struct str element, unsigned flags, unsigned depth, struct str *error);
enum maps_result map_find(struct map *map, struct arena *arena, struct str key,
	struct str *value);
/* trace.c: something was found. */
void map_tell(const struct map *map, struct str key, struct str value);
/* drivers.c: NULL: no such type. */
const struct map_driver *map_driver_find(struct str type);

/* hash, btree, lmdb, texthash, inline, ... each in its file. */
extern const struct map_driver map_hash, map_btree, map_lmdb, map_texthash,
	map_inline, map_static, map_environ, map_fail, map_unix, map_regexp,
	map_pcre, map_cidr, map_cdb, map_union, map_pipe, map_rand, map_debug,
	map_proxy, map_tcp, map_socketmap, map_memcache, map_pgsql, map_mysql,
	map_sqlite, map_ldap, map_mongodb;

/* Fail to open: sets ->error, gives NULL. */
void *map_cannot(struct map_opening *opening, const char *format, ...)
	printf_like(2, 3);

/* watch.c: note that the result depends on this open file; owns `fd`. */
void maps_watch_fd(int fd);
/* Forget them all: for tests, which open many. */
void maps_watch_none(void);
/* Open a text file for reading and watching; false with errno. */
must_check bool maps_read_file(struct arena *arena, const char *path,
	struct str *text);
/*
 * A copy of a database in memory, taken under a shared lock, as a path that
 * can be opened until `*fd` is closed; larger files: the file itself. False
 * with errno.
 */
must_check bool maps_snapshot(struct arena *arena, const char *path,
	const char **copy, int *fd);

#endif
