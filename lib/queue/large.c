/*
 * queue/large - content over 64 KiB: a file of its own in large/.
 */
#include "queue/large.h"

#include <errno.h>
#include <fcntl.h>

#include "queue/spool.h"

int large_create(struct disk *disk, uint64_t serial)
{
	char path[SPOOL_PATH_MOST];
	int fd;

	spool_large_path(path, serial);
	fd = disk_open_file(disk, path, O_WRONLY | O_CREAT | O_EXCL);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (disk_mkdir(disk, "large") < 0)
		return -1;
	return disk_open_file(disk, path, O_WRONLY | O_CREAT | O_EXCL);
}

static bool seal(struct disk *disk, int fd, uint64_t octets)
{
	int64_t size;

	if (disk->is_sealed(disk, fd) < 0)
		return false;
	size = disk->size(disk, fd);
	if (size < 0 || (uint64_t)size != octets) {
		errno = EMSGSIZE;
		return false;
	}
	return disk_sync(disk, fd) == 0 && disk_sync_dir(disk, "large") == 0;
}

bool large_seal(struct disk *disk, uint64_t serial, uint64_t octets,
	int *read_fd)
{
	char path[SPOOL_PATH_MOST];
	int fd, error;

	spool_large_path(path, serial);
	fd = disk_open_file(disk, path, O_RDONLY);
	if (fd < 0)
		return false;
	if (!seal(disk, fd, octets)) {
		error = errno;
		disk_close(disk, &fd);
		errno = error;
		return false;
	}
	if (read_fd)
		*read_fd = fd;
	else
		disk_close(disk, &fd);
	return true;
}

void large_drop(struct disk *disk, uint64_t serial)
{
	char path[SPOOL_PATH_MOST];

	spool_large_path(path, serial);
	(void)disk_unlink(disk, path);
}
