/*
 * resolver/file - whether a file is still the one that was read.
 *
 * Waits    no (stat of a local file)
 */
#ifndef RESOLVER_FILE_H
#define RESOLVER_FILE_H

#include "base/base.h"

/* When it was changed (us), and its inode; -1: it is not there. */
int64_t state_of_file(const char *path, int64_t *number);

#endif
