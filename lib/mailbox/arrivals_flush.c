/*
 * Texts of messages that arrive: flushed before their files have names.
 */
#include "mailbox/arrivals_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/helper.h"

enum {
	PARALLEL = 4, /* flushes of files at once */
	/* Of more texts one flush of the file system may be cheaper: each fsync
	 * writes inode and folder again. But it writes what others have written,
	 * too, so both are measured, and tried again now and then. */
	FSYNCS_MOST = 8,
	FSYNCS_MOST_HERE = 64,
	ROUNDS = 128,
};

const char *arrivals_path(const struct mailbox *m, const char *folder,
	const char *name, char path[MAILBOX_PATH_MOST])
{
	char dir[LAYOUT_PATH];

	snprintf(path, MAILBOX_PATH_MOST, "%s/%s%s%s",
		layout_path(&m->store->place, m->name, dir), folder,
		name ? "/" : "", name ? name : "");
	return path;
}

bool arrivals_is_gone(const struct mailbox *m)
{
	char path[MAILBOX_PATH_MOST];
	struct stat st;

	return fstatat(m->store->dir, arrivals_path(m, "cur", NULL, path), &st,
		       0) < 0 && errno == ENOENT;
}

/* ---- flushes ---- */

bool arrivals_flush_at(const struct mailbox_store *store, const char *path,
	bool here)
{
	auto_close int fd = openat(store->dir, path,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && (here ? fsync(fd) : io_fsync(fd)) == 0;
}

/* of: a mailbox; NULL: all. */
static bool wants_flush(const struct batch *b, const struct mailbox *of)
{
	return b->state == WAITING && !b->is_flushed &&
		(!of || b->mailbox == of);
}

/* Is one flush of the file system cheaper than one of each of so many files? */
static bool prefers_syncfs(struct mailbox_arrivals *a, size_t count, bool here)
{
	size_t most = here ? FSYNCS_MOST_HERE : FSYNCS_MOST;
	bool is_cheaper = a->syncfs_us <= (int64_t)count * a->fsync_us;

	if (!a->knows_syncfs || count <= most)
		return false;
	if (a->fsync_us == 0 || a->syncfs_us == 0)
		return a->fsync_us > 0;
	return ++a->rounds % ROUNDS == 0 ? !is_cheaper : is_cheaper;
}

/* A file that is being flushed. */
struct flushing {
	struct io_job job;
	int fd;
	bool is_begun;
};

static int flush_file(void *context)
{
	const struct flushing *f = context;

	return fsync(f->fd);
}

/* Its job, if it has one. False with errno. */
static bool end_flushing(struct flushing *f)
{
	int result;

	if (!f->is_begun)
		return true;
	f->is_begun = false;
	result = io_job_end(&f->job);
	close(f->fd);
	return result == 0;
}

static bool begin_flushing(struct flushing *f, const struct batch *b, size_t i)
{
	const struct mailbox *m = b->mailbox;
	char path[MAILBOX_PATH_MOST];

	/* It may have been settled meanwhile. */
	if (b->state != WAITING || !b->files[i].temporary)
		return true;
	f->fd = openat(m->store->dir, arrivals_path(m, "tmp", b->files[i].temporary,
		path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f->fd < 0)
		return arrivals_is_gone(m);
	f->is_begun = true;
	io_job_begin(&f->job, flush_file, f);
	return true;
}

/* Some of them beside each other. */
static bool flush_batch(struct flushing flushing[PARALLEL], size_t *next,
	const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct flushing *f = &flushing[(*next)++ % PARALLEL];

		if (!end_flushing(f))
			return false;
		*f = (struct flushing){ .fd = -1 };
		if (!begin_flushing(f, b, i))
			return false;
	}
	return true;
}

static bool flush_batch_here(const struct batch *b)
{
	const struct mailbox *m = b->mailbox;
	char path[MAILBOX_PATH_MOST];

	for (size_t i = 0; i < b->count; i++)
		if (b->files[i].temporary && !arrivals_flush_at(m->store,
			arrivals_path(m, "tmp", b->files[i].temporary, path),
			true))
			return arrivals_is_gone(m);
	return true;
}

/* All of these batches up to the last. They come at the end only, and go only by
 * the fiber that settles: what is waited for here stays where it is. */
static bool flush_each(struct mailbox_arrivals *a, const struct mailbox *of,
	const struct batch *last, bool here)
{
	struct flushing flushing[PARALLEL] = { 0 };
	size_t next = 0;
	bool ok = true;

	for (struct list *at = a->batches.next; ok && at != &a->batches;
		at = at->next) {
		const struct batch *b = batch_at(at);

		if (wants_flush(b, of))
			ok = here ? flush_batch_here(b) :
				flush_batch(flushing, &next, b);
		if (b == last)
			break;
	}
	for (size_t i = 0; i < PARALLEL; i++)
		ok = end_flushing(&flushing[i]) && ok;
	return ok;
}

static bool flush_all(const struct mailbox_arrivals *a, bool here)
{
	return (here ? syncfs(a->store->dir) : io_syncfs(a->store->dir)) == 0;
}

static void note_flushed(struct mailbox_arrivals *a, const struct mailbox *of,
	const struct batch *last)
{
	for (struct list *at = a->batches.next; at != &a->batches;
		at = at->next) {
		struct batch *b = batch_at(at);

		b->is_flushed = b->is_flushed || !of || b->mailbox == of;
		if (b == last)
			break;
	}
}

bool arrivals_flush_texts(struct mailbox_arrivals *a, const struct mailbox *of,
	bool here)
{
	const struct batch *last = NULL;
	struct moment begun = moment_now();
	size_t count = 0;
	int64_t us;
	bool all;

	list_each (at, &a->batches)
		if (wants_flush(batch_at(at), of)) {
			last = batch_at(at);
			count += last->count;
		}
	if (!last)
		return true;
	all = prefers_syncfs(a, count, here);
	if (!(all ? flush_all(a, here) : flush_each(a, of, last, here)))
		return false;
	us = moment_between(begun, moment_now()).us + 1;
	if (all)
		a->syncfs_us = us;
	else
		a->fsync_us = us / (int64_t)count + 1;
	note_flushed(a, of, last);
	return true;
}
