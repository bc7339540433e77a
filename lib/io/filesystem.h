/*
 * io/filesystem - what flushes cost on the file system that something is on.
 *
 * Waits    no
 */
#ifndef IO_FILESYSTEM_H
#define IO_FILESYSTEM_H

#include "base/base.h"

/*
 * Of how many files that become durable together one syncfs(2) costs less than
 * as many fsync(2)s; 0: it is not known to flush all of fd's file system and to
 * tell of errors there.
 */
unsigned io_syncfs_from(int fd);

/* The first is known: ext4, XFS, btrfs, tmpfs. */
static inline bool io_syncfs_is_known(int fd)
{
	return io_syncfs_from(fd) > 0;
}

#endif
