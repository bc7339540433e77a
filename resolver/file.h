/*
 * resolver/file - small files of this host, read at once.
 *
 * Waits    no (they are small and local)
 */
#ifndef RESOLVER_FILE_H
#define RESOLVER_FILE_H

#include "base/arena.h"

/* At most `most` octets. False: cannot be read. */
must_check bool file_read(struct arena *arena, const char *path, size_t most,
	struct str *text);
/* When it was changed (us), and its inode; -1: it is not there. */
int64_t file_state(const char *path, int64_t *number);

#endif
