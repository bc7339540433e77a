/*
 * maps/trace - which entries of which tables gave a result: for people who ask
 * why (posthorn explain), not for daemons at work.
 *
 * Waits    maps_locate: for the disk
 */
#ifndef MAPS_TRACE_H
#define MAPS_TRACE_H

#include "maps/maps.h"

struct maps_hit {
	struct str table; /* "hash:/etc/aliases" */
	struct str key, value;
	unsigned line; /* of the rule, for tables of patterns; else 0 */
};

/* From now on tell hit() of each key that is found. NULL: no longer. */
void maps_trace(void (*hit)(void *context, const struct maps_hit *hit),
	void *context);

/*
 * Where an entry stands: the text file of the table (the source of a database)
 * and the line; 0 if it is not in there. False: the table has no text file.
 */
must_check bool maps_locate(struct arena *arena, const struct maps_hit *hit,
	struct str *file, unsigned *line);

#endif
