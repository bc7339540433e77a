/*
 * posthorn/postmulti - what the files of postmulti(1) share.
 */
#ifndef POSTHORN_POSTMULTI_H
#define POSTHORN_POSTMULTI_H

#include "posthorn/instances.h"

struct postmulti {
	struct arena *arena;
	const char *directory; /* of the primary: -c, or NULL */
	struct instances instances;
	int mode; /* 'l', 'p', 'x', 'e'; 0: none was given */
	const char *action;               /* -e */
	bool all, reverse, json, verbose; /* -a, -R, -j, -v */
	const char *group, *name;         /* -g, -i */
	const char *new_group, *new_name; /* -G, -I */
	char **arguments;                 /* ended by NULL */
};

/* Run a program of command_directory (`argv[0]` is its name) for an instance,
 * or in its environment any program (`is_ours` false). True: exit status 0. */
must_check bool postmulti_run(struct postmulti *p, struct str directory,
	bool is_ours, char *const *argv);

/* lifecycle.c: -e; the exit status. */
int postmulti_edit(struct postmulti *p);

/* queue_remove.c: why an instance's queue may not be removed; NONE: it has no
 * messages. */
struct str queue_in_the_way(struct arena *arena, const struct conf *conf);
/* What the suite made in queue_directory and data_directory. False: something
 * is left, and was named. */
bool queue_remove(struct arena *arena, const struct conf *conf);

#endif
