/*
 * queue/disk - the few file operations that the queue is made of.
 *
 * A table of calls: disk_real works on a queue directory; the power-cut test
 * puts a model in its place that knows what would survive. Paths are relative
 * to the queue directory. What may block for long (flushes, path operations)
 * runs in a helper thread when the process has some.
 *
 * Waits    disk_sync, disk_sync_dir, disk_rename, disk_unlink, disk_list
 * Errors   -1 (or false) with errno
 */
#ifndef QUEUE_DISK_H
#define QUEUE_DISK_H

#include "base/arena.h"

struct disk {
	int (*open)(struct disk *disk, const char *path, int flags);
	void (*close)(struct disk *disk, int fd);
	ssize_t (*pread)(struct disk *disk, int fd, void *into, size_t len,
		off_t at);
	ssize_t (*pwrite)(struct disk *disk, int fd, const void *from,
		size_t len, off_t at);
	int64_t (*size)(struct disk *disk, int fd);
	int (*sync)(struct disk *disk, int fd);
	/* The same at once, while nothing else runs. NULL: as sync. */
	int (*sync_here)(struct disk *disk, int fd);
	int (*sync_dir)(struct disk *disk, const char *path);
	/* All that is on the file system of the queue directory. */
	int (*sync_all)(struct disk *disk);
	/* Does that cover this file and its name, and tell of errors? NULL: it
	 * never does. */
	bool (*is_covered)(struct disk *disk, int fd);
	int (*rename)(struct disk *disk, const char *from, const char *to);
	/* The same at once. NULL: as rename. */
	int (*rename_here)(struct disk *disk, const char *from, const char *to);
	int (*link)(struct disk *disk, const char *from, const char *to);
	int (*unlink)(struct disk *disk, const char *path);
	/* NULL: one by one. */
	int (*unlink_all)(struct disk *disk, const char *const *paths,
		size_t count);
	int (*mkdir)(struct disk *disk, const char *path);
	/* Names in a directory, without . and .. */
	int (*list)(struct disk *disk, const char *path,
		void (*each)(void *context, const char *name), void *context);
	/* An exclusive lock for as long as fd is open; -1 EAGAIN: held. */
	int (*lock)(struct disk *disk, int fd);
	/* 0: nobody has this file open for writing, or mapped so (fd is open
	 * read-only); else -1 EAGAIN. */
	int (*is_sealed)(struct disk *disk, int fd);
	/* 0: nobody else has this file open or mapped at all (fd is open for
	 * writing only); else -1 EAGAIN. */
	int (*is_alone)(struct disk *disk, int fd);
	int (*truncate)(struct disk *disk, int fd, off_t size);
	/* Octets free for us on its file system, INT64_MAX if unknown. */
	int64_t (*space)(struct disk *disk);
};

/* The queue directory. An empty path means the working directory; false
 * with errno. Stays open until the process ends. */
must_check bool disk_open(struct disk **disk, const char *queue_directory);

/* All `len` octets, or false (errno 0: the file ends before). */
must_check bool disk_read_all(struct disk *disk, int fd, void *into,
	size_t len, off_t at);
must_check bool disk_write_all(struct disk *disk, int fd, const void *from,
	size_t len, off_t at);
/* flags as for open(2), files have mode 0600; CLOEXEC and NOFOLLOW added. */
int disk_open_file(struct disk *disk, const char *path, int flags);
void disk_close(struct disk *disk, int *fd);
int disk_sync(struct disk *disk, int fd);
int disk_sync_here(struct disk *disk, int fd);
int disk_sync_dir(struct disk *disk, const char *path);
int disk_rename(struct disk *disk, const char *from, const char *to);
/* For a folder that is known to be in memory: not in a helper thread. */
int disk_rename_here(struct disk *disk, const char *from, const char *to);
int disk_unlink(struct disk *disk, const char *path);
/* All of them, in one job of a helper thread; one that is not there is fine. -1
 * with errno: one at least could not be removed. */
int disk_unlink_all(struct disk *disk, const char *const *paths, size_t count);
/* Fine if it is there; the parent is flushed when it is new. */
int disk_mkdir(struct disk *disk, const char *path);

/* The names in a directory, in an arena; false with errno. */
struct disk_names {
	const char **names;
	size_t count;
};
must_check bool disk_list(struct disk *disk, struct arena *arena,
	const char *path, struct disk_names *names);

#endif
