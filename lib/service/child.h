/*
 * service/child - children that a parent forks without exec, one per owner of
 * what they touch, and talks to over a peer.
 *
 * The parent reads no stranger's byte and has no helper threads; the child
 * keeps only its end of the socketpair, the log and the descriptors named,
 * drops to its user for good (sandbox_become), and serves the parent's calls
 * with a scheduler of its own until the parent closes the peer or it was idle
 * for `idle`.
 *
 * Memory   the returned peer belongs to the caller (peer_close)
 * Waits    no
 * Errors   NULL with errno: fork or socketpair failed
 */
#ifndef SERVICE_CHILD_H
#define SERVICE_CHILD_H

#include "base/span.h"
#include "config/config.h"
#include "ipc/peer.h"
#include "sandbox/sandbox.h"

/* Nothing of it may stand in the arena of a call that is served, or on another
 * fiber's stack: the child has neither. */
struct child_plan {
	struct str name; /* label of the peer at both ends */
	struct sandbox_child sandbox;
	const int *keep; /* descriptors that stay open, ended by -1 */
	int helper_threads;
	struct span idle;
	int *pid; /* gets the child's, for child_reap; may be NULL */
	/* In the child, before the sandbox closes; may be NULL. */
	void (*prepare)(void *context);
	/* In the child: for each call of the parent, a fiber. */
	void (*serve)(struct call *call, void *context);
	/* In the child, last, when the parent is gone or it was idle; may
	 * wait; NULL: what is under way is cut off. */
	void (*finish)(void *context);
	void *context;
};

struct peer *child_fork(const struct child_plan *plan);

/* Reap children that have ended; *crashed: pid of one that died by a signal,
 * or 0. Called by the parent now and then (waits never). */
int child_reap(int *crashed);

#endif
