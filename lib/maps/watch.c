#include "maps/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/file.h"
#include "io/fiber.h"
#include "service/service.h"
#include "tls/tls.h"

enum {
	SNAPSHOT_MOST = 64 << 20, /* octets; larger files are read in place */
	LOCK_TRIES = 50,
	LOCK_WAIT_US = 100000,
};

/* Files that what this process knows came from: they outlive configuration,
 * so they are the process's. */
static struct watched {
	int fd;
	struct stat seen;
} *all;
static size_t all_count, all_room;

void maps_watch_fd(int fd)
{
	struct watched one = { .fd = fd };

	if (!fd_stat(fd, &one.seen)) {
		close(fd);
		return;
	}
	array_grow(&all, &all_room, all_count + 1, sizeof(*all));
	all[all_count++] = one;
}

void maps_watch_none(void)
{
	while (all_count > 0)
		close(all[--all_count].fd);
}

/* Not its content: the process shall not be able to read it again. */
static void watch_path(const char *path)
{
	int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;

	if (fd >= 0)
		maps_watch_fd(fd);
}

void maps_watch_tls(const struct tls_options *options)
{
	for (size_t i = 0; i < options->chain_count; i++) {
		watch_path(options->chains[i].cert_file);
		watch_path(options->chains[i].key_file);
	}
	watch_path(options->ca_file);
}

/* Renaming a file over it takes its last link; renaming it away changes its
 * ctime, as writing does. */
static bool has_changed(const struct watched *one)
{
	struct stat now;

	return !fd_stat(one->fd, &now) ||
		now.st_nlink != one->seen.st_nlink ||
		now.st_size != one->seen.st_size ||
		now.st_mtim.tv_sec != one->seen.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != one->seen.st_mtim.tv_nsec ||
		now.st_ctim.tv_sec != one->seen.st_ctim.tv_sec ||
		now.st_ctim.tv_nsec != one->seen.st_ctim.tv_nsec;
}

bool maps_changed(void)
{
	for (size_t i = 0; i < all_count; i++)
		if (has_changed(&all[i]))
			return true;
	return false;
}

static void watch(void *context)
{
	(void)context;
	while (io_sleep(span_s(1)) && !service_is_retiring())
		if (maps_changed()) {
			log_info("a lookup table or certificate has changed -- "
				 "restarting");
			service_replace();
			return;
		}
}

void maps_watch(void)
{
	if (all_count > 0)
		io_spawn("tables", watch, NULL);
}

bool maps_read_file(struct arena *arena, const char *path, struct str *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || !file_read_fd(arena, fd, text)) {
		base_close(&fd);
		return false;
	}
	maps_watch_fd(fd);
	return true;
}

/* Writers hold an exclusive lock while they change a database in place. */
static bool lock_shared(int fd)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_SH | LOCK_NB) == 0)
			return true;
		usleep(LOCK_WAIT_US);
	}
	errno = EAGAIN;
	return false;
}

static bool copy(int from, int to, size_t octets)
{
	char block[1 << 14];
	ssize_t got = 0;

	for (size_t at = 0; at < octets; at += (size_t)got) {
		got = pread(from, block, sizeof(block), (off_t)at);
		if (got <= 0 || write(to, block, (size_t)got) != got) {
			errno = got == 0 ? EIO : errno;
			return false;
		}
	}
	return true;
}

bool maps_snapshot(struct arena *arena, const char *path, const char **copied,
	int *fd)
{
	auto_close int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool done;

	*fd = -1;
	*copied = path;
	if (file < 0 || fstat(file, &st) < 0)
		return false;
	if (st.st_size <= SNAPSHOT_MOST) {
		*fd = memfd_create("table", MFD_CLOEXEC);
		if (*fd < 0 || !lock_shared(file))
			return false;
		done = copy(file, *fd, (size_t)st.st_size);
		flock(file, LOCK_UN);
		if (!done)
			return false;
		*copied = arena_fmt(arena, "/proc/self/fd/%d", *fd).p;
	}
	maps_watch_fd(fd_keep(&file));
	return true;
}
