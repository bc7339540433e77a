/*
 * commands/requeue - a message of the queue as a new one, while the suite is
 * down.
 *
 * Waits    for the disk
 */
#ifndef COMMANDS_REQUEUE_H
#define COMMANDS_REQUEUE_H

#include "config/config.h"
#include "queue/store.h"

/* To maildrop/, from where pickup takes it as a new one, then it is over here.
 * False: it is where it was; said. */
bool requeue_offline(const struct conf *conf, struct store *store,
	struct stored *stored);

#endif
