/*
 * config/file - a whole file of configuration.
 *
 * Waits    for the disk: before the sandbox closes only
 */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "base/arena.h"

enum { CONFIG_FILE_MOST = 64 * 1024 * 1024 };

/* All of a regular file, in the arena. False with errno (EFBIG: too long). */
must_check bool file_read(struct arena *arena, const char *path,
	struct str *text);
/* The same of an open file. */
must_check bool file_read_fd(struct arena *arena, int fd, struct str *text);

#endif
