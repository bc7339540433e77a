#include "agent/mbox.h"

#include "base/log.h"
#include "base/table.h"
#include "io/fiber.h"
#include "io/helper.h"
#include "mail/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { UNLOCK_ATTEMPTS = 3 };

/* fcntl(2) locks do not hold between fibers of one process. */
static struct {
	struct table *paths;
	struct io_event event;
} busy;

struct writer {
	const struct delivery *delivery;
	const struct mbox *mbox;
	struct arena *arena;
	const char *path, *lock_path;
	bool dot_locked;
	int fd;
	off_t size; /* before this message */
};

static void enter(struct str path)
{
	if (!busy.paths) {
		busy.paths = table_new();
		io_event_init(&busy.event);
	}
	while (table_find(busy.paths, path))
		if (!io_event_wait(&busy.event, SPAN_FOREVER))
			io_uncancel();
	table_put(busy.paths, path, &busy);
}

static void leave(struct str path)
{
	table_remove(busy.paths, path);
	io_event_wake_all(&busy.event);
}

static bool uses(const struct writer *w, const char *lock)
{
	struct str rest = w->mbox->locks, item;

	while (str_take_item(&rest, ", \t\n", &item))
		if (str_is_nocase(item, lock))
			return true;
	return false;
}

static struct status cannot(const struct writer *w, const char *doing)
{
	int code = 451, subject = 2, detail = 0;

	if (errno == EDQUOT || errno == EFBIG) {
		code = 552;
		detail = 2;
	} else if (errno == ENOSPC) {
		subject = 3;
	}
	return status_f(w->arena, code, subject, detail,
		"cannot update %s %s. %s: %m", w->mbox->what, w->path, doing);
}

/* Every deliver_lock_delay, deliver_lock_attempts times. */
static bool try_again(const struct writer *w, int attempt)
{
	const struct conf *conf = w->delivery->conf;
	int saved = errno;
	bool again = attempt + 1 < conf->deliver_lock_attempts &&
		io_sleep(conf->deliver_lock_delay);

	errno = saved;
	return again;
}

/* "1234 mail.example.org\n": who made the lock, so that its death is known
 * before stale_lock_time. */
static void sign_lock(const struct writer *w, int fd)
{
	if (dprintf(fd, "%d %.*s\n", getpid(),
		    STR_ARG(w->delivery->conf->myhostname)) < 0)
		log_debug("%s: %m", w->lock_path);
}

static bool is_owner_dead(const struct writer *w)
{
	auto_close int fd = openat(w->mbox->base, w->lock_path,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[300];
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct str line = str_of(text, len < 0 ? 0 : (size_t)len);
	uint64_t pid;

	if (!str_take_u64(&line, INT32_MAX, &pid) || pid == 0 ||
		!str_eq(str_trim(line), w->delivery->conf->myhostname))
		return false;
	/* Signals are out of reach of our sandbox; names in /proc are not. */
	return faccessat(AT_FDCWD,
		       arena_fmt(w->arena, "/proc/%llu",
			       (unsigned long long)pid)
			       .p,
		       F_OK, 0) < 0 &&
		errno == ENOENT;
}

static bool is_stale(const struct writer *w)
{
	struct stat st;

	if (fstatat(w->mbox->base, w->lock_path, &st, 0) < 0)
		return false;
	return st.st_mtime + span_to_s(w->delivery->conf->stale_lock_time) <
		time(NULL) ||
		is_owner_dead(w);
}

static bool dot_lock(struct writer *w)
{
	for (int attempt = 0;; attempt++) {
		int fd = openat(w->mbox->base, w->lock_path,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd >= 0) {
			sign_lock(w, fd);
			close(fd);
			w->dot_locked = true;
			return true;
		}
		if (errno == EEXIST && is_stale(w) &&
			unlinkat(w->mbox->base, w->lock_path, 0) == 0)
			continue;
		if (errno == EACCES) /* a spool that we cannot write to */
			return true;
		if (errno != EEXIST || !try_again(w, attempt))
			return false;
	}
}

static bool file_lock(const struct writer *w)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	bool by_fcntl = uses(w, "fcntl"), by_flock = uses(w, "flock");

	for (int attempt = 0;; attempt++) {
		if ((!by_fcntl || fcntl(w->fd, F_SETLK, &lock) == 0) &&
			(!by_flock || flock(w->fd, LOCK_EX | LOCK_NB) == 0))
			return true;
		if ((errno != EAGAIN && errno != EACCES) ||
			!try_again(w, attempt))
			return false;
	}
}

static struct status check_file(struct writer *w)
{
	struct stat st;

	if (fstat(w->fd, &st) < 0)
		return cannot(w, "fstat");
	if (!S_ISREG(st.st_mode))
		return status_f(w->arena, 552, 2, 0,
			"destination %s is not a regular file", w->path);
	if (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH))
		return status_f(w->arena, 554, 7, 1,
			"destination file %s is executable", w->path);
	if (w->mbox->is_strict && st.st_uid != geteuid())
		return status_f(w->arena, 451, 2, 0,
			"destination %s is not owned by recipient", w->path);
	if (w->mbox->limit > 0 &&
		(uint64_t)st.st_size + w->delivery->content.size >
			(uint64_t)w->mbox->limit)
		return status_f(w->arena, 552, 2, 2,
			"cannot update %s %s. The mailbox is full",
			w->mbox->what, w->path);
	w->size = st.st_size;
	return STATUS_OK;
}

void mbox_quote(struct buf *out, struct str text, bool *at_start)
{
	while (text.len > 0) {
		size_t end = str_find_char(text, '\n');
		struct str line =
			end == SIZE_MAX ? text : str_first(text, end + 1);

		if (*at_start && str_starts(line, STR("From ")))
			buf_char(out, '>');
		buf_add(out, line);
		*at_start = end != SIZE_MAX;
		text = str_skip(text, line.len);
	}
}

static void format_from_line(struct buf *out, const struct writer *w)
{
	struct str sender = w->delivery->m.sender;
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	localtime_r(&now, &tm);
	buf_text(out, "From ");
	if (sender.len == 0)
		buf_text(out, "MAILER-DAEMON");
	else
		mail_address_format(out, sender);
	buf_fmt(out, " %s", asctime_r(&tm, text));
}

/* A part of a "From " at the end of a block belongs to the next. */
static struct str hold_back(struct str *octets, bool at_start)
{
	size_t line = str_rfind_char(*octets, '\n');
	size_t begin = line == SIZE_MAX ? 0 : line + 1;
	struct str tail = str_skip(*octets, begin);

	if ((line == SIZE_MAX && !at_start) || tail.len >= 5)
		return STR("");
	*octets = str_first(*octets, begin);
	return tail;
}

/* A power cut may have left a part of a message at the end: what follows is a
 * message of its own all the same. */
static struct str gap_before(const struct writer *w)
{
	char last[2];
	ssize_t len = w->size < 2 ? w->size : 2;

	if (pread(w->fd, last, (size_t)len, w->size - len) != len || len == 0)
		return STR("");
	if (last[len - 1] != '\n')
		return STR("\n\n");
	return len == 2 && last[0] != '\n' ? STR("\n") : STR("");
}

static bool write_message(struct writer *w)
{
	struct buf out = BUF_IN(w->arena), held = BUF_IN(w->arena);
	struct content_reader reader;
	struct str octets;
	bool at_start = true;

	buf_add(&out, gap_before(w));
	format_from_line(&out, w);
	mbox_quote(&out, w->mbox->head, &at_start);
	content_open(&reader, w->arena, &w->delivery->content);
	do {
		struct str block, tail;

		if (!content_next(&reader, &octets))
			return false;
		buf_add(&held, octets);
		block = buf_str(&held);
		tail = octets.len ? hold_back(&block, at_start) : STR("");
		mbox_quote(&out, block, &at_start);
		if (!fd_write_all(w->fd, out.p, out.len))
			return false;
		buf_clear(&out);
		buf_drop(&held, held.len - tail.len);
	} while (octets.len > 0);
	return fd_write_all(w->fd, "\n\n", at_start ? 1 : 2);
}

/* A new file's name is in its folder. Where that may not be opened, all of
 * the file system is flushed. */
static bool flush_name(const struct writer *w)
{
	const char *slash = strrchr(w->path, '/');
	const char *folder = !slash ? "." : slash == w->path ? "/" :
		arena_cstr(w->arena,
			str_of(w->path, (size_t)(slash - w->path)));
	auto_close int fd = openat(w->mbox->base, folder,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? io_fsync(fd) == 0 : io_syncfs(w->fd) == 0;
}

static struct status append(struct writer *w)
{
	struct status status = check_file(w);

	if (!status_is_ok(status))
		return status;
	if (lseek(w->fd, w->size, SEEK_SET) < 0)
		return cannot(w, "seek");
	if (!write_message(w) || io_fsync(w->fd) < 0 ||
		(w->size == 0 && !flush_name(w))) {
		status = cannot(w, "write");
		if (ftruncate(w->fd, w->size) < 0)
			log_warning("%s: cannot cut off a part of a message: "
				    "%m",
				w->path);
		return status;
	}
	return status_f(w->arena, 250, 0, 0, "delivered to %s", w->mbox->what);
}

static struct status lock_and_append(struct writer *w)
{
	if (uses(w, "dotlock") && !dot_lock(w))
		return cannot(w, "dotlock");
	w->fd = openat(w->mbox->base, w->path,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (w->fd < 0)
		return cannot(w, "open");
	if (!file_lock(w))
		return cannot(w, "lock");
	return append(w);
}

/* One that stays keeps everybody out until it is stale. */
static void dot_unlock(struct writer *w)
{
	for (int attempt = 1;
		unlinkat(w->mbox->base, w->lock_path, 0) < 0 && errno != ENOENT;
		attempt++) {
		if (attempt == UNLOCK_ATTEMPTS) {
			log_warning("%s: cannot be removed: %m", w->lock_path);
			return;
		}
		io_sleep(span_ms(10));
	}
}

struct status mbox_append(const struct delivery *delivery,
	const struct mbox *mbox)
{
	struct writer w = {
		.delivery = delivery,
		.mbox = mbox,
		.arena = delivery->arena,
		.path = arena_cstr(delivery->arena, mbox->path),
		.lock_path = arena_fmt(delivery->arena, "%.*s.lock",
			STR_ARG(mbox->path))
				     .p,
		.fd = -1,
	};
	struct status status;

	enter(mbox->path);
	status = lock_and_append(&w);
	if (w.fd >= 0)
		close(w.fd);
	if (w.dot_locked)
		dot_unlock(&w);
	leave(mbox->path);
	return status;
}
