/*
 * sandbox/profile - rows of sandbox/profiles.def as structs; the parts of
 * taking one. Used inside lib/sandbox only.
 */
#ifndef SANDBOX_PROFILE_H
#define SANDBOX_PROFILE_H

#include "sandbox/sandbox.h"

enum root {
	ROOT_KEEP,
	ROOT_EMPTY,
};

struct profile_row {
	const char *name, *user;
	enum root root;
	const char *calls, *paths, *capabilities, *may;
};

const struct profile_row *profile_find(enum profile profile);

/* A path rule, "w:/var/spool/..."; `path` is expanded. */
struct path_rule {
	char rights;
	char path[4096];
};

/* Split "w:$name/rest" and expand $name from conf. False: malformed. */
must_check bool path_rule_parse(struct str text, const struct conf *conf,
	struct path_rule *rule);

/* Whether sandbox_close found the process running as root. */
bool sandbox_started_as_root(void);

/* Compile a filter ahead, for children. False with errno: no memory. */
must_check bool filter_prepare(const char *calls);

/* Each part ends the process when it is refused. */
void filter_close(const char *calls);
void capabilities_close(const char *names);
/* A Landlock rule set being made; fd -1: this kernel has none. */
struct landlock {
	int fd, level;
	bool files; /* file rights are restricted */
};

struct landlock landlock_begin(bool files, bool network);
void landlock_allow(struct landlock *landlock, const struct path_rule *rule);
void landlock_close(struct landlock *landlock);

#endif
