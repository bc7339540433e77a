/*
 * queue/large - content over 64 KiB: a file of its own in large/.
 */
#include "queue/large.h"

#include <errno.h>
#include <fcntl.h>

#include "queue/spool.h"

static int create(struct disk *disk, uint64_t serial, int flags)
{
	char path[SPOOL_PATH_MOST];
	int fd;

	spool_large_path(path, serial);
	fd = disk_open_file(disk, path, flags | O_CREAT | O_EXCL);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (disk_mkdir(disk, "large") < 0)
		return -1;
	return disk_open_file(disk, path, flags | O_CREAT | O_EXCL);
}

int large_create(struct disk *disk, uint64_t serial)
{
	return create(disk, serial, O_WRONLY);
}

int large_scratch(struct disk *disk, uint64_t serial)
{
	int fd = create(disk, serial, O_RDWR);

	if (fd >= 0)
		large_drop(disk, serial);
	return fd;
}

/* Zeros in place of what it holds: to write them into pages that are there
 * costs a tenth of what new pages cost. */
static bool clear(struct disk *disk, int fd)
{
	static const char zeros[128 * 1024];
	int64_t size = disk->size(disk, fd);

	if (size > LARGE_AGAIN_MOST)
		errno = EFBIG;
	if (size < 0 || size > LARGE_AGAIN_MOST)
		return false;
	for (int64_t at = 0; at < size; at += (int64_t)sizeof(zeros)) {
		size_t len = size - at < (int64_t)sizeof(zeros) ?
			(size_t)(size - at) : sizeof(zeros);

		if (!disk_write_all(disk, fd, zeros, len, at))
			return false;
	}
	return true;
}

/* Renamed first: nobody can open it by its old name after the look. */
int large_again(struct disk *disk, uint64_t old, uint64_t serial)
{
	char from[SPOOL_PATH_MOST], to[SPOOL_PATH_MOST];
	int fd, error;

	spool_large_path(from, old);
	spool_large_path(to, serial);
	if (disk_rename_here(disk, from, to) < 0) {
		error = errno;
		large_drop(disk, old);
		errno = error;
		return -1;
	}
	fd = disk_open_file(disk, to, O_WRONLY);
	if (fd >= 0 && disk->is_alone(disk, fd) == 0 && clear(disk, fd))
		return fd;
	error = errno;
	disk_close(disk, &fd);
	large_drop(disk, serial);
	errno = error;
	return -1;
}

/* Two may run at the same time: of names, and of everything. */
static void note_end(struct large_folder *folder, uint64_t number, int result)
{
	uint64_t *newest = result == 0 ? &folder->done : &folder->failed;

	if (result != 0)
		folder->error = errno;
	if (*newest < number)
		*newest = number;
}

/* It covers names, too. */
static int sync_all(struct flush_group *group)
{
	struct large_folder *folder =
		CONTAINER(group, struct large_folder, group);
	uint64_t number = ++folder->begun;
	int result = folder->disk->sync_all(folder->disk);

	note_end(folder, number, result);
	return result;
}

void large_folder_init(struct large_folder *folder, struct disk *disk)
{
	*folder = (struct large_folder){ .disk = disk };
	io_event_init(&folder->ended);
	group_init(&folder->group, sync_all);
	/* Two alone would make three flushes: of each file, and of names. */
	folder->group.share_from = 2;
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
	note_end(folder, number, disk_sync_dir(folder->disk, "large"));
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

static bool is_durable_alone(struct large_folder *folder, int fd,
	uint64_t mark)
{
	return disk_sync(folder->disk, fd) == 0 &&
		names_are_durable(folder, mark);
}

/* The file, and its name. */
static bool make_durable(struct large_folder *folder, int fd, uint64_t mark)
{
	struct disk *disk = folder->disk;
	bool done;
	int error;

	if (!disk->is_covered || !disk->is_covered(disk, fd))
		return is_durable_alone(folder, fd, mark);
	done = group_data(&folder->group, 1, true, true) ?
		names_are_durable(folder, mark) :
		is_durable_alone(folder, fd, mark);
	error = errno;
	group_data_end(&folder->group, 1, true);
	errno = error;
	return done;
}

/* What a message before had more; nobody writes any more. */
static bool cut(struct disk *disk, const char *path, uint64_t octets)
{
	int fd = disk_open_file(disk, path, O_WRONLY);
	bool done = fd >= 0 && disk->truncate(disk, fd, (off_t)octets) == 0;
	int error = errno;

	disk_close(disk, &fd);
	errno = error;
	return done;
}

static bool seal(struct large_folder *folder, const char *path, int fd,
	uint64_t mark, uint64_t octets, bool is_again)
{
	struct disk *disk = folder->disk;
	int64_t size;

	if (disk->is_sealed(disk, fd) < 0)
		return false;
	size = disk->size(disk, fd);
	if (is_again && size > (int64_t)octets) {
		if (!cut(disk, path, octets))
			return false;
		size = disk->size(disk, fd);
	}
	if (size < 0 || (uint64_t)size != octets) {
		errno = EMSGSIZE;
		return false;
	}
	return make_durable(folder, fd, mark);
}

bool large_seal(struct large_folder *folder, uint64_t serial, uint64_t mark,
	uint64_t octets, bool is_again, int *read_fd)
{
	struct disk *disk = folder->disk;
	char path[SPOOL_PATH_MOST];
	int fd, error;

	spool_large_path(path, serial);
	fd = disk_open_file(disk, path, O_RDONLY);
	if (fd < 0)
		return false;
	if (!seal(folder, path, fd, mark, octets, is_again)) {
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
