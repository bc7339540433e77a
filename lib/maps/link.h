/*
 * maps/link - conversations with the server of a lookup table, or of a policy.
 *
 * Connections are kept for the next lookup, a few for a while; one that was
 * closed meanwhile is replaced by a fresh one. In a daemon, the dialer opens
 * them; a command opens them itself.
 *
 * Memory   in the arena given; connections have their own
 * Waits    link_connect, link_talk
 */
#ifndef MAPS_LINK_H
#define MAPS_LINK_H

#include "base/arena.h"
#include "io/stream.h"

struct links;

struct links_plan {
	struct str purpose;     /* for dialer: the parameter that names the
				   endpoint; empty: a table */
	struct str endpoint;    /* "inet:host:port", "unix:/path" */
	struct span timeout;    /* for the connection, and each talk */
	struct span keep;       /* an unused connection */
	struct span age;        /* of any connection; 0: no limit */
	unsigned talks;         /* over one connection; 0: no limit */
	unsigned tries;         /* connections made for one talk, at least 1 */
	struct span retry_pause; /* between them */
	size_t line_limit;      /* of io_line */
};

/* One connection to the endpoint, for whoever keeps it: non-blocking; -1 with
 * errno. Of the plan, purpose, endpoint and timeout. Waits. */
int link_connect(struct arena *scratch, const struct links_plan *plan);

struct links *links_new(struct arena *arena, const struct links_plan *plan);

/*
 * Have talk(stream, context) with the server. It gives false when the
 * conversation failed: then it is held again, with another connection, while
 * there are tries left. False with errno: there was none that succeeded.
 */
must_check bool link_talk(struct links *links,
	bool (*talk)(struct stream *stream, void *context), void *context);

#endif
