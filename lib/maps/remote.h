/*
 * maps/remote - a table that another daemon looks up for us: proxymap, or
 * querymap for those whose client libraries block.
 *
 * Memory   in the arena given
 * Waits    remote_find
 */
#ifndef MAPS_REMOTE_H
#define MAPS_REMOTE_H

#include "maps/driver.h"

/* "type:name" as that daemon knows it. */
void *remote_open(struct map_opening *opening, const char *daemon,
	struct str table);
/* For map->state of remote_open. */
enum maps_result remote_find(struct map *map, struct arena *arena,
	struct str key, struct str *value);
/* The daemon that has such tables; NULL: this process opens them itself. */
const char *remote_daemon(const struct map_driver *driver, unsigned flags);

#endif
