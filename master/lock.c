#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Kept open, and locked with fcntl(2), as long as master runs. */
static int pid_file = -1, lock_file = -1;

static void format_path(char path[4096], struct str folder, const char *name)
{
	snprintf(path, 4096, "%.*s/%s", STR_ARG(folder), name);
}

static void pid_path(char path[4096])
{
	auto_arena struct arena *arena = arena_new(0);

	format_path(path, state.conf->queue_directory,
		arena_cstr(arena, arena_fmt(arena, "%.*s/master.pid",
			STR_ARG(state.conf->process_id_directory))));
}

static bool lock_one(const char *path, int *fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	return *fd >= 0 && fcntl(*fd, F_SETLK, &lock) == 0;
}

/* Who holds it, or 0. */
static int holder(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	auto_close int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 ||
		lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : -1;
}

bool lock_is_held(int *pid)
{
	char path[4096];

	pid_path(path);
	*pid = holder(path);
	return *pid != 0;
}

bool lock_take(void)
{
	char path[4096], text[64];
	int len;

	pid_path(path);
	if (!lock_one(path, &pid_file)) {
		log_error("%s %s: %s", pid_file < 0 ? "open" : "lock", path,
			pid_file < 0 ? strerror(errno) :
				       "another master is running");
		return false;
	}
	len = snprintf(text, sizeof(text), "%*d\n", (int)sizeof(long) * 4,
		(int)getpid());
	if (ftruncate(pid_file, 0) < 0 ||
		pwrite(pid_file, text, (size_t)len, 0) != len) {
		log_error("write %s: %m", path);
		return false;
	}
	format_path(path, state.conf->data_directory, "master.lock");
	if (!lock_one(path, &lock_file)) {
		log_error("lock %s: %m; is another instance using the same "
			"data_directory?", path);
		return false;
	}
	return true;
}

void lock_release(void)
{
	if (pid_file >= 0 && ftruncate(pid_file, 0) < 0)
		log_debug("ftruncate: %m");
}
