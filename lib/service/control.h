/*
 * service/control - a request of a command to the running master, through
 * public/control. The verbs are in master/verbs.def.
 *
 * Waits    the process (no fiber) for the answer
 */
#ifndef SERVICE_CONTROL_H
#define SERVICE_CONTROL_H

#include "config/config.h"

struct control_answer {
	int status;      /* 0, or an errno: EPERM, ENOENT, EINVAL, EBUSY */
	struct str text; /* lines for people, in the arena; may be empty */
};

/*
 * "flush" and "" (deliver what is deferred), "kick" and "qmgr W", ... False
 * with errno: master does not run (ENOENT, ECONNREFUSED), or ETIMEDOUT. The
 * descriptor `report` (a pipe, -1: none) stays the caller's.
 */
must_check bool control_ask(struct arena *arena, const struct conf *conf,
	const char *verb, struct str argument, int report,
	struct control_answer *answer);

#endif
