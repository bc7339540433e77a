#include "mailbox/arriving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "io/helper.h"

#define ARRIVING_FILE "posthorn-arriving"
#define ARRIVING_NEW "posthorn-arriving.tmp"

void arriving_init(struct arriving *list, int dir)
{
	*list = (struct arriving){ .dir = dir, .fd = -1 };
	io_event_init(&list->event);
}

static bool failed(struct arriving *list, const char *what)
{
	log_warning("%s " ARRIVING_FILE ": %m", what);
	list->has_failed = true;
	return false;
}

static bool write_at(int fd, struct str octets, off_t at)
{
	while (octets.len > 0) {
		ssize_t wrote = pwrite(fd, octets.p, octets.len, at);

		if (wrote < 0 && errno != EINTR)
			return false;
		if (wrote > 0) {
			octets = str_skip(octets, (size_t)wrote);
			at += wrote;
		}
	}
	return true;
}

/* Into the place of the one before the last. */
static bool write_head(struct arriving *list, const struct arrival_head *head)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	arrival_head_format(&out, head);
	return !out.failed && write_at(list->fd, buf_str(&out),
		head->number & 1 ? ARRIVAL_BLOCK : 0);
}

/* Another process may have removed it, and may have made another. */
static bool is_same(int dir, int fd)
{
	struct stat a, b;

	return fstatat(dir, ARRIVING_FILE, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
		fd_stat(fd, &b) && a.st_ino == b.st_ino &&
		a.st_dev == b.st_dev;
}

/* ---- making it ---- */

static bool is_there(int dir)
{
	struct stat st;

	return fstatat(dir, ARRIVING_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
		errno != ENOENT;
}

static bool fill(int fd)
{
	static const char zeroes[64 * 1024];

	for (size_t at = 0; at < ARRIVAL_FILE; at += sizeof(zeroes)) {
		size_t some = ARRIVAL_FILE - at;

		if (!fd_write_all(fd, zeroes,
			some < sizeof(zeroes) ? some : sizeof(zeroes)))
			return false;
	}
	return true;
}

/* Its octets are flushed with the first record: before, they promise nothing. */
static bool put_there(struct arriving *list)
{
	return fill(list->fd) && write_head(list, &list->head) &&
		renameat(list->dir, ARRIVING_NEW, list->dir,
			ARRIVING_FILE) == 0 &&
		io_fsync(list->dir) == 0;
}

bool arriving_make(struct arriving *list)
{
	int fd = openat(list->dir, ARRIVING_NEW,
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	/* Who has the lock may make it; what a dead one left is written over. */
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
		is_there(list->dir) || ftruncate(fd, 0) < 0) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	list->fd = fd;
	list->head = (struct arrival_head){ .sequence = 1 };
	random_octets(&list->head.nonce, sizeof(list->head.nonce));
	list->sequence = list->durable = 1;
	if (put_there(list))
		return true;
	failed(list, "make");
	if (unlinkat(list->dir, ARRIVING_NEW, 0) < 0 && errno != ENOENT)
		log_warning("remove " ARRIVING_NEW ": %m");
	arriving_drop(list);
	return false;
}

/* ---- taking it over ---- */

static bool read_all(int fd, struct arena *arena, struct str *octets)
{
	char *p = arena_octets_new(arena, ARRIVAL_FILE);
	size_t len = 0;
	ssize_t got = 1;

	while (got > 0 && len < ARRIVAL_FILE) {
		got = pread(fd, p + len, ARRIVAL_FILE - len, (off_t)len);
		if (got > 0)
			len += (size_t)got;
	}
	*octets = str_of(p, len);
	return got >= 0;
}

bool arriving_take_over(struct arriving *list, struct arena *arena,
	struct str *octets)
{
	int fd = openat(list->dir, ARRIVING_FILE,
		O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*octets = STR_NONE;
	if (fd < 0)
		return errno == ENOENT;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || !is_same(list->dir, fd) ||
		!read_all(fd, arena, octets)) {
		close(fd);
		return false;
	}
	list->fd = fd;
	return true;
}

/* ---- records ---- */

/* Where it has room, from the last one on or from the beginning. SIZE_MAX: it
 * has none. A ring that is full and one that is empty differ by a block. */
static size_t place_of(const struct arriving *list, size_t octets)
{
	size_t first = list->head.at, at = list->at;

	if (octets > ARRIVAL_RING)
		return SIZE_MAX;
	if (list->head.sequence == list->sequence)
		return octets <= ARRIVAL_RING - at ? at : 0;
	if (at < first)
		return octets < first - at ? at : SIZE_MAX;
	if (octets <= ARRIVAL_RING - at)
		return at;
	return octets < first ? 0 : SIZE_MAX;
}

bool arriving_has_room(const struct arriving *list, size_t octets)
{
	return place_of(list, octets) != SIZE_MAX;
}

bool arriving_write(struct arriving *list, struct str record)
{
	size_t at = place_of(list, record.len);

	if (!write_at(list->fd, record, (off_t)(ARRIVAL_HEADS + at)))
		return failed(list, "write to");
	list->at = at + record.len;
	list->sequence++;
	return true;
}

static void flush_once(struct arriving *list)
{
	uint64_t up_to = list->sequence;

	list->is_flushing = true;
	if (io_fdatasync(list->fd) == 0)
		list->durable = up_to;
	else
		failed(list, "flush");
	list->is_flushing = false;
	io_event_wake_all(&list->event);
}

bool arriving_flush(struct arriving *list, uint64_t sequence)
{
	while (list->durable <= sequence && !list->has_failed)
		if (!list->is_flushing)
			flush_once(list);
		else if (!io_event_wait(&list->event, SPAN_FOREVER))
			io_uncancel(); /* it must know */
	return list->durable > sequence;
}

/* ---- their end ---- */

bool arriving_retire(struct arriving *list, uint64_t sequence, size_t at,
	bool here)
{
	const struct arrival_head head = { .nonce = list->head.nonce,
		.number = list->number + 1, .sequence = sequence,
		.at = (uint32_t)at };

	/* The other one has to be durable before this one is written. */
	if (list->is_head_open && io_fdatasync_here(list->fd) < 0)
		return failed(list, "flush");
	if (!write_head(list, &head))
		return failed(list, "write to");
	list->number = head.number;
	list->is_head_open = true;
	if ((here ? io_fdatasync_here(list->fd) : io_fdatasync(list->fd)) < 0)
		return failed(list, "flush");
	/* Somebody may have written another meanwhile. */
	if (list->number != head.number)
		return true;
	list->is_head_open = false;
	list->head = head;
	io_event_wake_all(&list->event);
	return true;
}

void arriving_leave(struct arriving *list)
{
	if (list->fd >= 0)
		close(list->fd);
	list->fd = -1;
}

void arriving_drop(struct arriving *list)
{
	if (list->fd >= 0 && is_same(list->dir, list->fd) &&
		unlinkat(list->dir, ARRIVING_FILE, 0) < 0 && errno != ENOENT)
		log_warning("remove " ARRIVING_FILE ": %m");
	arriving_leave(list);
}
