/*
 * agent/pool - the children that a parent keeps, one per owner, found again by
 * a key: "1000/1000".
 *
 * Those without work go, the longest unused first, when there are more than
 * POOL_MOST. After one that died by a signal the whole process has itself
 * replaced: what is forked from it shares its memory layout.
 *
 * Memory   heap; one pool a process
 * Waits    no
 */
#ifndef AGENT_POOL_H
#define AGENT_POOL_H

#include "service/child.h"

enum {
	POOL_MOST = 300,
};

/* The child of that key that takes calls, forked if there is none; NULL with
 * errno: it could not be. `plan` is not used after the call. */
struct peer *pool_find(struct str key, const struct child_plan *plan);

#endif
