#include "agent/lock.h"

#include "base/log.h"
#include "io/fiber.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { UNLOCK_ATTEMPTS = 3 };

static bool uses(const struct file_lock *lock, const char *style)
{
	struct str rest = lock->styles, item;

	while (str_take_item(&rest, ", \t\n", &item))
		if (str_is_nocase(item, style))
			return true;
	return false;
}

/* Every deliver_lock_delay, deliver_lock_attempts times. */
static bool try_again(const struct file_lock *lock, int attempt)
{
	int saved = errno;
	bool again = attempt + 1 < lock->conf->deliver_lock_attempts &&
		io_sleep(lock->conf->deliver_lock_delay);

	errno = saved;
	return again;
}

/* "1234 mail.example.org\n": who made the lock, so that its death is known
 * before stale_lock_time. */
static bool sign_lock(const struct file_lock *lock, int fd)
{
	return dprintf(fd, "%d %.*s\n", getpid(),
		       STR_ARG(lock->conf->myhostname)) > 0;
}

static bool is_owner_dead(const struct file_lock *lock)
{
	auto_close int fd = openat(lock->base, lock->lock_path,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[300], path[64];
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct str line = str_of(text, len < 0 ? 0 : (size_t)len);
	uint64_t pid;

	if (!str_take_u64(&line, INT32_MAX, &pid) || pid == 0 ||
		!str_eq(str_trim(line), lock->conf->myhostname))
		return false;
	/* Signals are out of reach of our sandbox; names in /proc are not. */
	snprintf(path, sizeof(path), "/proc/%llu", (unsigned long long)pid);
	return faccessat(AT_FDCWD, path, F_OK, 0) < 0 && errno == ENOENT;
}

static bool is_stale(const struct file_lock *lock)
{
	struct stat st;

	if (fstatat(lock->base, lock->lock_path, &st, 0) < 0)
		return false;
	return st.st_mtime + span_to_s(lock->conf->stale_lock_time) <
		time(NULL) ||
		is_owner_dead(lock);
}

/* On a full disk, or over the quota or limit of a file: an unsigned lock that
 * its owner does not live to remove would keep everybody out for long. */
static bool is_full(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ||
		errno == EIO;
}

/* Signed before it has a name: who is killed in between leaves nothing. -1 with
 * errno; EOPNOTSUPP and others: not on this file system, not with this /proc. */
static int link_lock(const struct file_lock *lock)
{
	auto_close int fd = openat(lock->base, lock->folder,
		O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	char path[64];

	if (fd < 0 || !sign_lock(lock, fd))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, lock->base, lock->lock_path,
		AT_SYMLINK_FOLLOW);
}

static int make_lock(const struct file_lock *lock)
{
	auto_close int fd = -1;
	int saved;

	if (link_lock(lock) == 0)
		return 0;
	if (errno == EEXIST || is_full())
		return -1;
	fd = openat(lock->base, lock->lock_path,
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (sign_lock(lock, fd))
		return 0;
	saved = errno;
	unlinkat(lock->base, lock->lock_path, 0);
	errno = saved;
	return -1;
}

bool lock_dot(struct file_lock *lock)
{
	if (!uses(lock, "dotlock"))
		return true;
	for (int attempt = 0;; attempt++) {
		if (make_lock(lock) == 0) {
			lock->is_dot_locked = true;
			return true;
		}
		if (errno == EEXIST && is_stale(lock) &&
			unlinkat(lock->base, lock->lock_path, 0) == 0)
			continue;
		if (errno == EACCES) /* a spool that we cannot write to */
			return true;
		if (errno != EEXIST || !try_again(lock, attempt))
			return false;
	}
}

/* An fcntl lock belongs to the open file, not to the process: it excludes other
 * fibers of ours, and closing another descriptor of the file leaves it alone. For
 * everybody else it is as any fcntl lock. */
bool lock_open_file(const struct file_lock *lock, int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	bool by_fcntl = uses(lock, "fcntl"), by_flock = uses(lock, "flock");

	for (int attempt = 0;; attempt++) {
		if ((!by_fcntl || fcntl(fd, F_OFD_SETLK, &whole) == 0) &&
			(!by_flock || flock(fd, LOCK_EX | LOCK_NB) == 0))
			return true;
		if ((errno != EAGAIN && errno != EACCES) ||
			!try_again(lock, attempt))
			return false;
	}
}

/* One that stays keeps everybody out until it is stale. */
void lock_release(struct file_lock *lock)
{
	if (!lock->is_dot_locked)
		return;
	lock->is_dot_locked = false;
	for (int attempt = 1;
		unlinkat(lock->base, lock->lock_path, 0) < 0 &&
		errno != ENOENT;
		attempt++) {
		if (attempt == UNLOCK_ATTEMPTS) {
			log_warning("%s: cannot be removed: %m",
				lock->lock_path);
			return;
		}
		io_sleep(span_ms(10));
	}
}
