/*
 * agent/program - run a program as somebody: for commands of delivery agents,
 * which get a message, and for spawn(8), whose programs get a client.
 *
 * It has standard input, output and error, and nothing else open; it runs in a
 * session of its own with NO_NEW_PRIVS, and when it ends, or its time is over,
 * all of that session is killed.
 *
 * Waits    program_end
 */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include "base/span.h"

#include <sys/types.h>

struct program_plan {
	char *const *argv;        /* ended by NULL; argv[0] is looked up in PATH */
	char *const *environment; /* ended by NULL */
	const char *directory;    /* NULL: stays */
	uint32_t sys_uid, sys_gid; /* whom it runs as */
	const char *what;         /* as it stands in reports */
};

struct program {
	pid_t pid;
	int pid_fd;
	const char *what;
};

/* False with errno. What cannot be executed says so to `out` and exits with
 * EX_TEMPFAIL. in and out stay the caller's. */
must_check bool program_start(struct program *program,
	const struct program_plan *plan, int in, int out);
/* The wait status of its end; *late: it came by the time limit. A cancelled
 * fiber ends it at once. */
int program_end(struct program *program, struct moment limit, bool *late);

#endif
