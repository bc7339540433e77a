/*
 * commands/queue_move - mail of another queue here, and of ours elsewhere.
 *
 * Waits    all (the process; for commands only)
 */
#ifndef COMMANDS_QUEUE_MOVE_H
#define COMMANDS_QUEUE_MOVE_H

#include "commands/queue.h"

/* `posthorn queue import DIR`; the exit status. */
int queue_import(struct queue_job *job);
/* `posthorn queue export HOST:PORT`; the exit status. */
int queue_export(struct queue_job *job);

#endif
