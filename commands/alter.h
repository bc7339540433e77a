/*
 * commands/alter - does to messages of the queue what postsuper and `posthorn
 * queue` are asked for: through qmgr while the suite runs, else at the files,
 * under the lock that a qmgr would hold.
 *
 * Errors   what cannot work ends the process (log_fatal)
 * Waits    all (the process; for commands only)
 */
#ifndef COMMANDS_ALTER_H
#define COMMANDS_ALTER_H

#include <stdio.h>

#include "base/table.h"
#include "config/config.h"
#include "queue/store.h"

struct alter;

/* What can be done. */
struct alter_act {
	int option;        /* of postsuper */
	const char *verb;  /* for qmgr, and of `posthorn queue` */
	const char *past;  /* of each message */
	const char *total; /* of all */
	bool (*run)(struct alter *alter, struct stored *stored); /* offline */
	const char *queues;
};

enum {
	ALTER_ACTS = 6,
};
extern const struct alter_act alter_acts[ALTER_ACTS];

struct alter {
	const struct conf *conf;
	struct arena *arena;
	FILE *ask;         /* NULL: offline */
	struct disk *disk; /* offline */
	struct store store;
	bool is_open;
	void (*done)(void *context, const struct alter_act *act, struct str id);
	void *context;
};

const struct alter_act *alter_act_of(int option);
/* A verb of `posthorn queue`; NULL: none. */
const struct alter_act *alter_act_find(const char *verb);

/* Root, or whose queue it is; else the process ends. */
void alter_check_user(const struct conf *conf);
/* alter->conf, arena and done are set. */
void alter_open(struct alter *alter);
/* One message. `queues`: in which it may be; empty: in those of the act. */
void alter_id(struct alter *alter, const struct alter_act *act, struct str id,
	struct str queues);
/* Each message (ids NULL), or those whose IDs are keys. */
void alter_all(struct alter *alter, const struct alter_act *act,
	const struct table *ids, struct str queues);
/* Remove NAME, or ALL, of maildrop/; done() for each. */
void alter_maildrop(struct alter *alter, const struct alter_act *act,
	struct str name);

/* "hold,deferred" has it. */
bool alter_names(struct str list, const char *name);

#endif
