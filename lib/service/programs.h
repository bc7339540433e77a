/*
 * service/programs - programs.def and calls.def as tables.
 *
 * Waits    no
 */
#ifndef SERVICE_PROGRAMS_H
#define SERVICE_PROGRAMS_H

#include "config/config.h"

enum {
	PROGRAM_ONE = 1,
	PROGRAM_LISTEN = 2,
	PROGRAM_OPEN = 4,
	PROGRAM_ROOT = 8,
	PROGRAM_EARLY = 16,
	PROGRAM_AGENT = 32,
	PROGRAM_SOLE = 64,
	PROGRAM_WAITS = 128,
	PROGRAM_SHARES = 256,
	PROGRAM_TICKETS = 512,
};

struct program {
	const char *name;
	unsigned fibers;
	unsigned flags;
};

/* NULL: not ours. */
const struct program *program_find(struct str name);
/* What we call a Postfix program: trivial-rewrite is rewrite, lmtp is smtp. */
struct str program_ours(struct str postfix_name);
/* The program that a row with this command runs: proxymap in the row that
 * proxywrite_service_name names is proxywrite, all else is as written. */
struct str program_of_row(const struct conf *conf, struct str row,
	struct str command);
/* A Postfix program that is not needed here: its row is accepted. */
bool program_is_not_needed(struct str name);
/* True if calls.def has this pair of programs. */
bool program_may_call(struct str caller, struct str callee);

/* How the row of master.cf is named that serves as `service`: what
 * <service>_service_name says, or the name itself. */
struct str service_named(const struct conf *conf, struct str service);

/*
 * Clients and calls that one process runs at once: <service>_fiber_limit of
 * the row's name, else of the program's name, else `otherwise`. The row of an
 * inet service named like another program ("smtp") counts by its program.
 */
unsigned service_fiber_limit(const struct conf *conf, const char *service,
	const char *program, unsigned otherwise);

#endif
