/*
 * agent/run_as - rows of master.cf that run a program: user= and argv=, and the
 * process that becomes that user before it takes work.
 *
 * Memory   texts are in the arena, or the arguments themselves
 * Waits    no
 */
#ifndef AGENT_RUN_AS_H
#define AGENT_RUN_AS_H

#include "base/arena.h"
#include "config/config.h"

struct run_as_names {
	const char *name;  /* NULL: none was given */
	const char *group; /* NULL: the user's own */
};

struct run_as {
	struct run_as_names names;
	uint32_t sys_uid, sys_gid;
	bool is_misplaced; /* this process cannot become that user */
};

/* "user" or "user:group", the value of user=. NULL, or what is wrong. */
const char *run_as_parse(struct arena *arena, struct str value,
	struct run_as_names *names);
/* "argv=word" and all that follows. NULL, or what is wrong. */
const char *run_as_words(struct arena *arena, char *const *args,
	char *const **words);

/* Look them up, before the sandbox closes. Ends the process (log_fatal) where
 * there is no such user, and for root and mail_owner. */
void run_as_find(const struct conf *conf, struct run_as_names names,
	struct run_as *as);
/* For good. Ends the process if it cannot. */
void run_as_become(const struct run_as *as);
/* It is misplaced; `so`: what that means for those who come. */
void run_as_warn(const struct run_as *as, const char *so);

#endif
