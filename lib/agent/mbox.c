#include "agent/mbox.h"

#include "agent/lock.h"
#include "agent/mbox_text.h"
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

/*
 * Fibers of one process wait for each other here; the locks below, which are
 * tried again only after a pause, are for everybody else, and for those who
 * come to the same file by another path. Who has waited while one tried them
 * in vain has waited for that lock, too.
 */
struct place {
	unsigned users;    /* at work, or waiting */
	unsigned failures; /* to get the locks */
	bool is_taken;
};

static struct {
	struct table *paths;
	struct io_event event;
} busy;

struct writer {
	const struct delivery *delivery;
	const struct mbox *mbox;
	struct arena *arena;
	const char *path;
	struct file_lock lock;
	int fd;
	off_t size; /* before this message */
};

static struct place *place_of(struct str path)
{
	struct place *place;

	if (!busy.paths) {
		busy.paths = table_new();
		io_event_init(&busy.event);
	}
	place = table_find(busy.paths, path);
	if (place)
		return place;
	place = mem_new(1, sizeof(*place));
	table_put(busy.paths, path, place);
	return place;
}

static void leave(struct str path, struct place *place)
{
	io_event_wake_all(&busy.event);
	if (--place->users > 0)
		return;
	table_remove(busy.paths, path);
	base_free(&place);
}

/* NULL: another one could not get the locks in that time. */
static struct place *enter(struct str path)
{
	struct place *place = place_of(path);
	unsigned failures = place->failures;

	place->users++;
	while (place->is_taken && place->failures == failures)
		if (!io_event_wait(&busy.event, SPAN_FOREVER))
			io_uncancel();
	if (place->failures != failures) {
		leave(path, place);
		return NULL;
	}
	place->is_taken = true;
	return place;
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
		"cannot update %s %s%s%.*s. %s: %m", w->mbox->what, w->path,
		w->mbox->user.len ? " for user " : "", STR_ARG(w->mbox->user),
		doing);
}

/* Of the mailbox and of its lock. */
static const char *folder_of(const struct writer *w)
{
	size_t slash = str_rfind_char(w->mbox->path, '/');

	if (slash == SIZE_MAX)
		return ".";
	return arena_cstr(w->arena,
		str_first(w->mbox->path, slash ? slash : 1));
}

static struct status not_owned(const struct writer *w)
{
	struct str prefix = w->mbox->user.len == 0 ? STR("") :
		arena_fmt(w->arena, "cannot update %s %s for user %.*s. ",
			w->mbox->what, w->path, STR_ARG(w->mbox->user));

	return status_f(w->arena, 451, 2, 0,
		"%.*sdestination %s is not owned by recipient",
		STR_ARG(prefix), w->path);
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
		return not_owned(w);
	w->size = st.st_size;
	return STATUS_OK;
}

static struct status check_room(const struct writer *w)
{
	if (w->mbox->limit > 0 &&
		(uint64_t)w->size + w->mbox->head.len +
			w->delivery->content.size > (uint64_t)w->mbox->limit) {
		errno = EFBIG;
		return cannot(w, "error writing message");
	}
	return STATUS_OK;
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
	struct buf front = BUF_IN(w->arena);
	struct mbox_text text;
	struct str block;

	buf_add(&front, gap_before(w));
	format_from_line(&front, w);
	mbox_text_open(&text, w->arena, &w->delivery->content, w->mbox->head);
	do {
		if (!mbox_text_next(&text, &block))
			return false;
		/* most messages in one write: a kill leaves none of it */
		buf_add(&front, block);
		if (!fd_write_all(w->fd, front.p, front.len))
			return false;
		buf_clear(&front);
	} while (block.len > 0);
	return true;
}

/* A new file's name is in its folder. Where that may not be opened, all of
 * the file system is flushed. */
static bool flush_name(const struct writer *w)
{
	auto_close int fd = openat(w->mbox->base, folder_of(w),
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? io_fsync(fd) == 0 : io_syncfs(w->fd) == 0;
}

static struct status delivered(const struct writer *w)
{
	return status_f(w->arena, 250, 0, 0, "delivered to %s", w->mbox->what);
}

static bool flush(const struct writer *w)
{
	return io_fsync(w->fd) == 0 && (w->size > 0 || flush_name(w));
}

/* What an attempt that was killed has left. Whole: it is flushed, for the
 * attempt may not have come so far, and that is all. A part is cut off. */
static struct status look_for_it(struct writer *w, bool *is_there)
{
	enum mbox_found found = MBOX_ABSENT;
	off_t at = 0;

	if (!mbox_text_find(w->arena, &w->delivery->content, w->mbox->head,
		    w->fd, w->size, &found, &at))
		return cannot(w, "read");
	*is_there = found == MBOX_WHOLE;
	if (found == MBOX_ABSENT)
		return STATUS_OK;
	w->size = at;
	if (*is_there)
		return flush(w) ? delivered(w) : cannot(w, "flush");
	log_info("%.*s: %s: %lld octets of an earlier attempt are cut off",
		STR_ARG(w->delivery->m.queue_id), w->path,
		(long long)(lseek(w->fd, 0, SEEK_END) - at));
	return ftruncate(w->fd, at) == 0 ? STATUS_OK : cannot(w, "truncate");
}

static struct status append(struct writer *w)
{
	struct status status = check_file(w);
	bool is_there = false;

	/* It had to wait for the lock. */
	if (deliver_is_orphan(w->delivery))
		return STATUS(451, 3, 0, "the queue manager has gone");
	if (status_is_ok(status) && (w->delivery->m.flags & DELIVER_RETRY))
		status = look_for_it(w, &is_there);
	if (status_is_ok(status) && !is_there)
		status = check_room(w);
	if (!status_is_ok(status) || is_there)
		return status;
	if (lseek(w->fd, w->size, SEEK_SET) < 0)
		return cannot(w, "seek");
	if (write_message(w) && flush(w))
		return delivered(w);
	status = cannot(w, "write");
	if (ftruncate(w->fd, w->size) < 0)
		log_warning("%s: cannot cut off a part of a message: %m",
			w->path);
	return status;
}

/* Others hold a lock, through all attempts. */
static struct status locked_out(struct writer *w, struct place *place,
	const char *doing)
{
	if (errno == EEXIST || errno == EAGAIN || errno == EACCES)
		place->failures++;
	return cannot(w, doing);
}

static struct status lock_and_append(struct writer *w, struct place *place)
{
	if (!lock_dot(&w->lock))
		return locked_out(w, place, arena_fmt(w->arena,
			"unable to create lock file %s.lock", w->path).p);
	w->fd = openat(w->mbox->base, w->path,
		O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (w->fd < 0)
		return cannot(w, "open");
	if (!lock_open_file(&w->lock, w->fd))
		return locked_out(w, place, "lock");
	return append(w);
}

struct status mbox_append(const struct delivery *delivery,
	const struct mbox *mbox)
{
	struct writer w = {
		.delivery = delivery,
		.mbox = mbox,
		.arena = delivery->arena,
		.path = arena_cstr(delivery->arena, mbox->path),
		.lock = { .conf = delivery->conf,
			.styles = mbox->locks,
			.base = mbox->base,
			.lock_path = arena_fmt(delivery->arena, "%.*s.lock",
				STR_ARG(mbox->path)).p },
		.fd = -1,
	};
	struct place *place;
	struct status status;

	w.lock.folder = folder_of(&w);
	place = enter(mbox->path);
	if (!place)
		return status_f(delivery->arena, 451, 2, 0,
			"cannot update %s %s. it has been locked for long",
			mbox->what, w.path);
	status = lock_and_append(&w, place);
	if (mbox->at)
		*mbox->at = (uint64_t)w.size;
	if (w.fd >= 0)
		close(w.fd);
	lock_release(&w.lock);
	place->is_taken = false;
	leave(mbox->path, place);
	return status;
}
