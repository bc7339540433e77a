/*
 * maps/build - writing a database: for postmap(1) and postalias(1).
 *
 * A new file is written beside the old one and takes its name at the end, so
 * that readers see the one or the other. Changing an existing one begins with
 * a copy of it.
 *
 * Memory   in the arena given
 * Waits    for the disk
 * Errors   false with ->error, one line
 */
#ifndef MAPS_BUILD_H
#define MAPS_BUILD_H

#include "config/config.h"

#include <sys/stat.h>

enum build_flags {
	BUILD_CHANGE = 1,  /* begin with what is there */
	BUILD_NO_NUL = 2,  /* keys and values without NUL at the end */
	BUILD_REPLACE = 4, /* a later entry replaces an earlier one */
};

enum build_put {
	BUILD_PUT,
	BUILD_DUPLICATE, /* was there already; replaced if BUILD_REPLACE */
	BUILD_FAILED,
};

struct build {
	struct arena *arena;
	struct arena *entry; /* until the next one */
	const struct build_type *type;
	struct str path;    /* "/etc/aliases.db" */
	struct str label;   /* how duplicates are named: path, or type:name */
	const char *temporary;
	void *state;
	unsigned flags;
	struct str error;
};

/* False without ->error: the type cannot be built. */
must_check bool build_open(struct arena *arena, const struct conf *conf,
	struct str type, struct str name, unsigned flags, struct build *build);
/* Files of this type can be made, if not changed. */
bool build_is_type(struct str type);
/* What stands behind the name of files that can be changed, "db"; NULL: those of
 * this type cannot. */
const char *build_suffix(struct str type);
enum build_put build_put(struct build *build, struct str key,
	struct str value);
/* False: the key was not there, or ->error. */
must_check bool build_delete(struct build *build, struct str key);
/* Flush, set the mode, and take the place of the old file. */
must_check bool build_commit(struct build *build, mode_t mode);
/* Remove the unfinished file. */
void build_abandon(struct build *build);

#endif
