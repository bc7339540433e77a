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

void large_folder_init(struct large_folder *folder, struct disk *disk)
{
	*folder = (struct large_folder){ .disk = disk };
	io_event_init(&folder->ended);
}

uint64_t large_mark(const struct large_folder *folder)
{
	return folder->begun + 1;
}

static void flush_names(struct large_folder *folder)
{
	uint64_t number;

	folder->running = true;
	if (io_self())
		io_pause(); /* others' files may just have become durable */
	number = ++folder->begun;
	if (disk_sync_dir(folder->disk, "large") == 0) {
		folder->done = number;
	} else {
		folder->failed = number;
		folder->error = errno;
	}
	folder->running = false;
	io_event_wake_all(&folder->ended);
}

/* A flush that failed tells nothing of what is made after it began; of what was
 * there then, no later one can tell. */
static bool names_are_durable(struct large_folder *folder, uint64_t mark)
{
	while (folder->done < mark && folder->failed < mark) {
		if (!folder->running)
			flush_names(folder);
		else if (!io_event_wait(&folder->ended, SPAN_FOREVER))
			io_uncancel();
	}
	errno = folder->error;
	return folder->failed < mark;
}

static bool seal(struct large_folder *folder, int fd, uint64_t mark,
	uint64_t octets)
{
	struct disk *disk = folder->disk;
	int64_t size;

	if (disk->is_sealed(disk, fd) < 0)
		return false;
	size = disk->size(disk, fd);
	if (size < 0 || (uint64_t)size != octets) {
		errno = EMSGSIZE;
		return false;
	}
	return disk_sync(disk, fd) == 0 && names_are_durable(folder, mark);
}

bool large_seal(struct large_folder *folder, uint64_t serial, uint64_t mark,
	uint64_t octets, int *read_fd)
{
	struct disk *disk = folder->disk;
	char path[SPOOL_PATH_MOST];
	int fd, error;

	spool_large_path(path, serial);
	fd = disk_open_file(disk, path, O_RDONLY);
	if (fd < 0)
		return false;
	if (!seal(folder, fd, mark, octets)) {
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
