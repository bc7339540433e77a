/*
 * queue/disk - the few file operations that the queue is made of.
 */
#include "queue/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/filesystem.h"
#include "io/helper.h"

enum {
	FILE_MODE = 0660, /* the group of journal/ and large/ is qmgr's */
};

struct real {
	struct disk disk;
	int root; /* the queue directory */
	uint64_t device; /* whose syncfs(2) says the truth; 0: it is not known */
};

static int root_of(struct disk *disk)
{
	return CONTAINER(disk, struct real, disk)->root;
}

/*
 * What root makes (postsuper, while the suite is down) belongs to whose folder
 * it is in: daemons will have to open it.
 */
static bool give_away(int root, const char *path)
{
	char parent[256];
	const char *slash = strrchr(path, '/');
	struct stat st;

	snprintf(parent, sizeof(parent), "%.*s",
		slash ? (int)(slash - path) : 1, slash ? path : ".");
	return fstatat(root, parent, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		fchownat(root, path, st.st_uid, st.st_gid,
			AT_SYMLINK_NOFOLLOW) == 0;
}

static int real_open(struct disk *disk, const char *path, int flags)
{
	auto_close int fd = openat(root_of(disk), path,
		flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	if (fd >= 0 && (flags & O_CREAT) && geteuid() == 0 &&
		(!give_away(root_of(disk), path) || fchmod(fd, FILE_MODE) < 0))
		return -1;
	return fd_keep(&fd);
}

static void real_close(struct disk *disk, int fd)
{
	(void)disk;
	close(fd);
}

static ssize_t real_pread(struct disk *disk, int fd, void *into, size_t len,
	off_t at)
{
	(void)disk;
	return pread(fd, into, len, at);
}

static ssize_t real_pwrite(struct disk *disk, int fd, const void *from,
	size_t len, off_t at)
{
	(void)disk;
	return pwrite(fd, from, len, at);
}

static int64_t real_size(struct disk *disk, int fd)
{
	struct stat st;

	(void)disk;
	return fstat(fd, &st) < 0 ? -1 : (int64_t)st.st_size;
}

static int real_sync_all(struct disk *disk)
{
	return io_syncfs(root_of(disk));
}

/* A folder of the queue may be a mount or a link. */
static bool real_is_covered(struct disk *disk, int fd)
{
	const struct real *real = CONTAINER(disk, struct real, disk);
	struct stat st;

	return real->device != 0 && fd_stat(fd, &st) &&
		st.st_dev == real->device;
}

static int real_sync(struct disk *disk, int fd)
{
	(void)disk;
	return io_fdatasync(fd);
}

static int real_sync_here(struct disk *disk, int fd)
{
	(void)disk;
	return io_fdatasync_here(fd);
}

/* The path operations, as a helper thread runs them. */
struct path_job {
	int root;
	const char *path, *to;
};

static int sync_dir_job(void *context)
{
	const struct path_job *job = context;
	auto_close int fd = openat(job->root, job->path,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -1 : fsync(fd);
}

static int rename_job(void *context)
{
	const struct path_job *job = context;

	return renameat(job->root, job->path, job->root, job->to);
}

static int link_job(void *context)
{
	const struct path_job *job = context;

	return linkat(job->root, job->path, job->root, job->to, 0);
}

static int unlink_job(void *context)
{
	const struct path_job *job = context;

	return unlinkat(job->root, job->path, 0);
}

struct paths_job {
	int root;
	const char *const *paths;
	size_t count;
};

static int unlink_all_job(void *context)
{
	const struct paths_job *job = context;
	int error = 0;

	for (size_t i = 0; i < job->count; i++)
		if (unlinkat(job->root, job->paths[i], 0) < 0 &&
			errno != ENOENT)
			error = errno;
	errno = error;
	return error ? -1 : 0;
}

static int mkdir_job(void *context)
{
	const struct path_job *job = context;

	return mkdirat(job->root, job->path, 0700) == 0 &&
			(geteuid() != 0 || give_away(job->root, job->path)) ? 0 : -1;
}

static int run_job(struct disk *disk, int (*run)(void *context),
	const char *path, const char *to)
{
	struct path_job job = { .root = root_of(disk), .path = path, .to = to };

	return io_help(run, &job);
}

static int real_sync_dir(struct disk *disk, const char *path)
{
	return run_job(disk, sync_dir_job, path, NULL);
}

static int real_rename(struct disk *disk, const char *from, const char *to)
{
	return run_job(disk, rename_job, from, to);
}

static int real_rename_here(struct disk *disk, const char *from, const char *to)
{
	return renameat(root_of(disk), from, root_of(disk), to);
}

static int real_link(struct disk *disk, const char *from, const char *to)
{
	return run_job(disk, link_job, from, to);
}

static int real_unlink(struct disk *disk, const char *path)
{
	return run_job(disk, unlink_job, path, NULL);
}

static int real_unlink_all(struct disk *disk, const char *const *paths,
	size_t count)
{
	struct paths_job job = { root_of(disk), paths, count };

	return io_help(unlink_all_job, &job);
}

static int real_mkdir(struct disk *disk, const char *path)
{
	return run_job(disk, mkdir_job, path, NULL);
}

static int real_list(struct disk *disk, const char *path,
	void (*each)(void *context, const char *name), void *context)
{
	int fd = openat(root_of(disk), path,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int error;

	if (!dir) {
		base_close(&fd);
		return -1;
	}
	while (errno = 0, (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0)
			each(context, entry->d_name);
	error = errno; /* of readdir: a list cut short is none */
	closedir(dir);
	errno = error;
	return error ? -1 : 0;
}

static int real_lock(struct disk *disk, int fd)
{
	(void)disk;
	return flock(fd, LOCK_EX | LOCK_NB);
}

/* A read lease is refused while a writable descriptor or mapping is left. */
static int real_is_sealed(struct disk *disk, int fd)
{
	(void)disk;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return -1;
	return fcntl(fd, F_SETLEASE, F_UNLCK);
}

/* A write lease is refused while there is any other descriptor or mapping, also
 * in a packet that nobody has read yet. */
static int real_is_alone(struct disk *disk, int fd)
{
	(void)disk;
	if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
		return -1;
	return fcntl(fd, F_SETLEASE, F_UNLCK);
}

static int real_truncate(struct disk *disk, int fd, off_t size)
{
	(void)disk;
	return ftruncate(fd, size);
}

static int64_t real_space(struct disk *disk)
{
	struct statvfs st;
	int64_t octets;

	if (fstatvfs(root_of(disk), &st) < 0 ||
		__builtin_mul_overflow((int64_t)st.f_bavail,
			(int64_t)st.f_frsize, &octets))
		return INT64_MAX;
	return octets;
}

bool disk_open(struct disk **disk, const char *queue_directory)
{
	struct real *real;
	struct stat st;
	int root = open(*queue_directory ? queue_directory : ".",
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return false;
	real = mem_new(1, sizeof(*real));
	real->root = root;
	if (io_syncfs_is_known(root) && fd_stat(root, &st))
		real->device = st.st_dev;
	real->disk = (struct disk){
		.open = real_open, .close = real_close, .pread = real_pread,
		.pwrite = real_pwrite, .size = real_size, .sync = real_sync,
		.sync_here = real_sync_here,
		.sync_dir = real_sync_dir, .sync_all = real_sync_all,
		.is_covered = real_is_covered, .rename = real_rename,
		.rename_here = real_rename_here,
		.link = real_link, .is_sealed = real_is_sealed,
		.is_alone = real_is_alone, .truncate = real_truncate,
		.unlink = real_unlink, .unlink_all = real_unlink_all,
		.mkdir = real_mkdir, .list = real_list,
		.lock = real_lock, .space = real_space,
	};
	*disk = &real->disk;
	return true;
}

bool disk_read_all(struct disk *disk, int fd, void *into, size_t len, off_t at)
{
	char *p = into;

	while (len > 0) {
		ssize_t got = disk->pread(disk, fd, p, len, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got < 0 ? errno : 0;
			return false;
		}
		p += got;
		at += got;
		len -= (size_t)got;
	}
	return true;
}

bool disk_write_all(struct disk *disk, int fd, const void *from, size_t len,
	off_t at)
{
	const char *p = from;

	while (len > 0) {
		ssize_t put = disk->pwrite(disk, fd, p, len, at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			errno = put < 0 ? errno : ENOSPC;
			return false;
		}
		p += put;
		at += put;
		len -= (size_t)put;
	}
	return true;
}

int disk_open_file(struct disk *disk, const char *path, int flags)
{
	return disk->open(disk, path, flags);
}

void disk_close(struct disk *disk, int *fd)
{
	if (*fd >= 0)
		disk->close(disk, *fd);
	*fd = -1;
}

int disk_sync(struct disk *disk, int fd)
{
	return disk->sync(disk, fd);
}

int disk_sync_here(struct disk *disk, int fd)
{
	return disk->sync_here ? disk->sync_here(disk, fd) :
				 disk->sync(disk, fd);
}

int disk_sync_dir(struct disk *disk, const char *path)
{
	return disk->sync_dir(disk, path);
}

int disk_rename(struct disk *disk, const char *from, const char *to)
{
	return disk->rename(disk, from, to);
}

int disk_rename_here(struct disk *disk, const char *from, const char *to)
{
	return disk->rename_here ? disk->rename_here(disk, from, to) :
				   disk->rename(disk, from, to);
}

int disk_unlink(struct disk *disk, const char *path)
{
	return disk->unlink(disk, path);
}

int disk_unlink_all(struct disk *disk, const char *const *paths, size_t count)
{
	int error = 0;

	if (disk->unlink_all)
		return disk->unlink_all(disk, paths, count);
	for (size_t i = 0; i < count; i++)
		if (disk_unlink(disk, paths[i]) < 0 && errno != ENOENT)
			error = errno;
	errno = error;
	return error ? -1 : 0;
}

int disk_mkdir(struct disk *disk, const char *path)
{
	char parent[256];
	const char *slash = strrchr(path, '/');

	if (disk->mkdir(disk, path) < 0)
		return errno == EEXIST ? 0 : -1;
	snprintf(parent, sizeof(parent), "%.*s",
		slash ? (int)(slash - path) : 1, slash ? path : ".");
	return disk->sync_dir(disk, parent);
}

struct listing {
	struct arena *arena;
	struct disk_names *names;
	size_t capacity;
};

static void add_name(void *context, const char *name)
{
	struct listing *listing = context;

	arena_grow(listing->arena, &listing->names->names, &listing->capacity,
		listing->names->count + 1, sizeof(char *));
	listing->names->names[listing->names->count++] =
		arena_cstr(listing->arena, str_from(name));
}

bool disk_list(struct disk *disk, struct arena *arena, const char *path,
	struct disk_names *names)
{
	struct listing listing = { .arena = arena, .names = names };

	*names = (struct disk_names){ 0 };
	return disk->list(disk, path, add_name, &listing) == 0;
}
