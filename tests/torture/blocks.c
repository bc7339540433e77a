/*
 * blocks - a disk whose every write and flush is written down.
 *
 *	blocks IMAGE LOG DIRECTORY
 *
 * Serves, with FUSE, two files in DIRECTORY until it is unmounted: `image`,
 * which is IMAGE, for a loop device; and `mark`: what is written there goes
 * into the log between the writes before and after it.
 *
 * The log is a run of records: a head (struct block), then its octets. It is
 * written before the request is answered.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
	BLOCK_WRITE = 1,
	BLOCK_ZERO, /* discarded, or zeroes */
	BLOCK_FLUSH,
	BLOCK_MARK,
};

struct block {
	uint32_t kind;
	uint32_t len; /* of the octets that follow */
	uint64_t offset, octets;
	uint64_t when_us; /* monotonic */
};

static struct {
	int image, log;
} disk;

/* A log with a gap would prove nothing. */
static void note(enum kind kind, off_t offset, off_t octets, const void *data,
	size_t len)
{
	struct timespec now;
	struct block block = { .kind = kind,
		.len = (uint32_t)len,
		.offset = (uint64_t)offset,
		.octets = (uint64_t)octets };
	struct iovec parts[2] = { { &block, sizeof(block) },
		{ (void *)(uintptr_t)data, len } };

	clock_gettime(CLOCK_MONOTONIC, &now);
	block.when_us =
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (writev(disk.log, parts, 2) != (ssize_t)(sizeof(block) + len)) {
		perror("blocks: log");
		_exit(1);
	}
}

static bool is_mark(const char *path)
{
	return strcmp(path, "/mark") == 0;
}

static int get_attributes(
	const char *path, struct stat *st, struct fuse_file_info *file)
{
	(void)file;
	memset(st, 0, sizeof(*st));
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		return 0;
	}
	st->st_mode = S_IFREG | 0666;
	st->st_nlink = 1;
	if (is_mark(path))
		return 0;
	if (strcmp(path, "/image") != 0)
		return -ENOENT;
	return fstat(disk.image, st) < 0 ? -errno : 0;
}

static int list(const char *path, void *out, fuse_fill_dir_t fill, off_t offset,
	struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
	(void)path;
	(void)offset;
	(void)file;
	(void)flags;
	fill(out, "image", NULL, 0, 0);
	fill(out, "mark", NULL, 0, 0);
	return 0;
}

/* Past the page cache: a write is here when the loop device has made it. */
static int open_file(const char *path, struct fuse_file_info *file)
{
	(void)path;
	file->direct_io = 1;
	return 0;
}

static int read_octets(const char *path, char *into, size_t len, off_t offset,
	struct fuse_file_info *file)
{
	ssize_t got;

	(void)file;
	if (is_mark(path))
		return 0;
	got = pread(disk.image, into, len, offset);
	return got < 0 ? -errno : (int)got;
}

static int write_octets(const char *path, const char *octets, size_t len,
	off_t offset, struct fuse_file_info *file)
{
	ssize_t done;

	(void)file;
	if (is_mark(path)) {
		note(BLOCK_MARK, 0, 0, octets, len);
		return (int)len;
	}
	note(BLOCK_WRITE, offset, (off_t)len, octets, len);
	done = pwrite(disk.image, octets, len, offset);
	return done < 0 ? -errno : (int)done;
}

static int flush(const char *path, int data_only, struct fuse_file_info *file)
{
	(void)data_only;
	(void)file;
	if (!is_mark(path))
		note(BLOCK_FLUSH, 0, 0, NULL, 0);
	return 0;
}

static int allocate(const char *path, int mode, off_t offset, off_t octets,
	struct fuse_file_info *file)
{
	(void)file;
	if (is_mark(path) ||
		!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	note(BLOCK_ZERO, offset, octets, NULL, 0);
	return fallocate(disk.image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       offset, octets) < 0 ?
		       -errno :
		       0;
}

static int cut(const char *path, off_t size, struct fuse_file_info *file)
{
	(void)size;
	(void)file;
	return is_mark(path) ? 0 : -EPERM; /* `>mark` cuts first */
}

static const struct fuse_operations operations = {
	.getattr = get_attributes,
	.readdir = list,
	.open = open_file,
	.read = read_octets,
	.write = write_octets,
	.fsync = flush,
	.fallocate = allocate,
	.truncate = cut,
};

int main(int argc, char **argv)
{
	char *options[] = { argv[0], (char[]){ "-f" }, (char[]){ "-s" },
		argc == 4 ? argv[3] : NULL, NULL };

	if (argc != 4) {
		fprintf(stderr, "usage: blocks IMAGE LOG DIRECTORY\n");
		return 2;
	}
	disk.image = open(argv[1], O_RDWR | O_CLOEXEC);
	disk.log =
		open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (disk.image < 0 || disk.log < 0) {
		perror("blocks");
		return 1;
	}
	return fuse_main(4, options, &operations, NULL);
}
