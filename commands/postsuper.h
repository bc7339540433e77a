/*
 * commands/postsuper - what its files share.
 *
 * Waits    for the disk
 */
#ifndef COMMANDS_POSTSUPER_H
#define COMMANDS_POSTSUPER_H

#include "config/config.h"
#include "queue/store.h"

/* While the suite is down: the message to maildrop/, from where pickup takes
 * it as a new one, then it is over here. False: it is where it was; said. */
bool requeue_offline(const struct conf *conf, struct store *store,
	struct stored *stored);
/* Remove NAME, or ALL, of maildrop/; calls done for each. */
void maildrop_delete(const struct conf *conf, struct str name,
	void (*done)(void *context, struct str name), void *context);

#endif
