/*
 * posthorn/instances - the instances of a machine: the primary one, and those
 * whose configuration directories its multi_instance_directories lists.
 *
 * Source   postmulti(1), postfix-wrapper(5) of Postfix
 * Memory   in the arena given
 * Waits    for the disk
 */
#ifndef POSTHORN_INSTANCES_H
#define POSTHORN_INSTANCES_H

#include "config/config.h"

struct instance {
	const struct conf *conf;
	struct str directory;   /* of its main.cf */
	struct str name, group; /* empty: none */
	bool is_enabled;
};

struct instances {
	struct arena *arena;
	struct instance *all; /* the first one is the primary */
	size_t count, room;
};

/* `directory`: of the primary, NULL: the default one. Ends the process when a
 * main.cf cannot be read or two instances share what they must not. */
void instances_read(struct arena *arena, const char *directory,
	struct instances *instances);

/* True if the primary's main.cf says that postmulti manages instances. */
bool instances_are_managed(const struct instances *instances);

/* By name, by configuration directory, or "-": the primary; or NULL. */
struct instance *instance_find(const struct instances *instances,
	const char *name);

/* What one instance has that no other may have too: a line; NONE: nothing.
 * An instance is no rival of itself. */
struct str instance_conflict(const struct instances *instances,
	const struct instance *with);

#endif
