/*
 * queue/walk - every message in files, and every one in slots, for programs
 * that work on the queue while no qmgr does, or only look at it.
 *
 * Memory   what is given to each() goes when it returns
 * Waits    for the disk
 */
#ifndef QUEUE_WALK_H
#define QUEUE_WALK_H

#include "queue/store.h"

typedef void walk_each(void *context, struct stored *stored);

/* Messages of deferred/ or hold/. Those that come meanwhile may be missed. */
void walk_files(struct store *store, enum queue_name queue, walk_each *each,
	void *context);
/* Messages in slots, without those that have a file as well. */
void walk_slots(struct store *store, walk_each *each, void *context);

#endif
