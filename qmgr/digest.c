/*
 * qmgr/digest - what the listing shows of each message in deferred/ and hold/,
 * so that it opens none of them.
 *
 * The digests are in a file without a name that goes with the process: nothing
 * but the listing's speed depends on it. It grows at the end; when the half of
 * it is out of date, what is not moves to a new one.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"
#include "queue/part.h"

enum {
	DIGEST_MOST = 96 * 1024,      /* octets of one; else the file is read */
	TAIL_MOST = 32 * 1024,        /* written at once */
	WASTE_LEAST = 4 * 1024 * 1024, /* that a move is worth */
	MOVED_AT_ONCE = 200,
	RETRY_S = 60,                 /* after a full disk */
	NEAR = 16 * 1024,             /* is probably wanted next, or again */
};

static struct {
	struct {
		int fd; /* -1: none */
		int64_t end;
	} files[2];
	unsigned file;     /* the one that grows */
	struct buf tail;   /* behind its end, not written yet */
	int64_t live;      /* octets of digests that somebody has */
	unsigned moves;    /* what readers have may be of a file that is gone */
	bool is_moving;
	struct moment retry; /* no file is opened before */
} digests = { .files = { { .fd = -1 }, { .fd = -1 } } };

static bool open_file(unsigned file)
{
	digests.files[file].fd = disk_open_file(qmgr.disk, "journal",
		O_TMPFILE | O_RDWR);
	return digests.files[file].fd >= 0;
}

static void close_file(unsigned file)
{
	disk_close(qmgr.disk, &digests.files[file].fd);
	digests.files[file].end = 0;
	digests.moves++;
}

/* Nobody has a digest in it any more. A full disk gets room again: then those
 * that are put from there on are found. */
static void give_up(unsigned file)
{
	struct entry *entry;

	log_warning("digests: %m: a listing reads each message");
	for (size_t at = 0; (entry = entry_next(&at));) {
		if (entry->queue != QUEUE_JOURNAL &&
			entry->digest.file == file)
			digest_drop(entry);
	}
	close_file(file);
	digests.retry = moment_after(span_s(RETRY_S));
}

void digest_start(void)
{
	if (!open_file(0))
		give_up(0);
}

static bool is_open(void)
{
	unsigned file = digests.file;

	if (digests.files[file].fd < 0 &&
		moment_left(digests.retry).us == 0 && !open_file(file))
		digests.retry = moment_after(span_s(RETRY_S));
	return digests.files[file].fd >= 0;
}

/* ---- in ---- */

static struct str reason_of(const struct reason *reason)
{
	return reason->wall_us && reason->status.code / 100 != 2
		? reason->status.text : STR("");
}

void digest_format(struct buf *out, const struct entry *entry,
	const struct stored *stored)
{
	const struct envelope *envelope = &stored->envelope;
	struct msg_queue_entry m = {
		.queue_name = entry->active
			? STR("active") : str_from(queue_name_text(entry->queue)),
		.queue_id = str_first(envelope->queue_id, QUEUE_ID_MOST),
		.arrival_us = envelope->arrival_us,
		.size = message_content_octets(&stored->head, envelope),
		.forced_expire = stored->expire || entry->expire,
		.sender = envelope->sender,
	};

	part_put_entry(out, &m);
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		const struct recipient *r = &envelope->recipients[i];
		struct msg_queue_recipient to = {
			.address = r->address,
			.orig = r->orig,
			.reason = reason_of(&stored->reasons[i]),
		};

		if (!stored->done[i])
			part_put_recipient(out, &to);
	}
}

static void write_tail(void)
{
	unsigned file = digests.file;

	if (digests.tail.len == 0)
		return;
	if (disk_write_all(qmgr.disk, digests.files[file].fd, digests.tail.p,
		    digests.tail.len, digests.files[file].end)) {
		digests.files[file].end += (int64_t)digests.tail.len;
	} else {
		give_up(file);
	}
	buf_clear(&digests.tail);
}

static void append(struct entry *entry, struct str octets)
{
	unsigned file = digests.file;

	entry->digest.octets = octets.len & (DIGEST_LIMIT - 1);
	entry->digest.file = file & 1;
	entry->digest.at = (uint64_t)digests.files[file].end +
		digests.tail.len;
	digests.live += (int64_t)octets.len;
	buf_add(&digests.tail, octets);
	if (digests.tail.len >= TAIL_MOST)
		write_tail();
}

static void move_live(void *context);

void digest_put(struct entry *entry, const struct stored *stored)
{
	auto_buf struct buf octets = { 0 };
	int64_t end = digests.files[digests.file].end;

	if (entry->queue == QUEUE_JOURNAL)
		return;
	digest_drop(entry);
	if (!is_open())
		return;
	digest_format(&octets, entry, stored);
	if (octets.len <= DIGEST_MOST)
		append(entry, buf_str(&octets));
	if (!digests.is_moving && end - digests.live > WASTE_LEAST &&
		end / 2 > digests.live) {
		digests.is_moving = true;
		io_spawn("digests", move_live, NULL);
	}
}

void digest_drop(struct entry *entry)
{
	if (entry->queue == QUEUE_JOURNAL)
		return;
	digests.live -= entry->digest.octets;
	entry->digest.octets = 0;
}

/* ---- out ---- */

/*
 * A listing goes by serial, and messages were put here in the order in which
 * they were deferred, much the same. So beside what was read last, what lies
 * around is read with it.
 */
static bool read_at(struct digest_reader *reader, unsigned file, int64_t at,
	size_t len)
{
	int64_t from = at, to = at + (int64_t)len,
		end = digests.files[file].end;

	if (at > reader->at - NEAR &&
		at < reader->at + (int64_t)reader->len + NEAR) {
		from = at > NEAR ? at - NEAR : 0;
		to = from + (int64_t)sizeof(reader->octets);
	}
	reader->at = from;
	reader->len = 0;
	if (to > end)
		to = end;
	if (to < at + (int64_t)len ||
		!disk_read_all(qmgr.disk, digests.files[file].fd,
			reader->octets, (size_t)(to - from), from))
		return false;
	reader->file = file;
	reader->moves = digests.moves;
	reader->len = (size_t)(to - from);
	return true;
}

_Static_assert(DIGEST_MOST + NEAR <=
	sizeof(((struct digest_reader *)NULL)->octets), "one fits in");

bool digest_find(struct digest_reader *reader, const struct entry *entry,
	struct str *octets)
{
	int64_t at = (int64_t)entry->digest.at;
	size_t len = entry->digest.octets;
	unsigned file = entry->digest.file;
	int64_t end = digests.files[file].end;

	if (entry->queue == QUEUE_JOURNAL || len == 0 ||
		digests.files[file].fd < 0)
		return false;
	if (at >= end && file == digests.file) {
		*octets = str_first(str_skip(buf_str(&digests.tail),
			(size_t)(at - end)), len);
		return octets->len == len;
	}
	if (reader->file != file || reader->moves != digests.moves)
		reader->len = 0;
	if (reader->len == 0 || at < reader->at ||
		at + (int64_t)len > reader->at + (int64_t)reader->len)
		if (!read_at(reader, file, at, len))
			return false;
	*octets = str_of(reader->octets + (at - reader->at), len);
	return true;
}

/* ---- a new file ---- */

static void move_one(struct digest_reader *reader, struct entry *entry,
	unsigned from)
{
	struct str octets;
	bool found;

	if (entry->queue == QUEUE_JOURNAL || entry->digest.octets == 0 ||
		entry->digest.file != from)
		return;
	found = digest_find(reader, entry, &octets);
	digest_drop(entry);
	if (found && digests.files[digests.file].fd >= 0)
		append(entry, octets);
}

static void move_all(unsigned from)
{
	struct digest_reader *reader = mem_new(1, sizeof(*reader));
	size_t count = 0, seen = 0;
	uint64_t *serials = mem_new(qmgr.entries.count + 1, sizeof(*serials));
	struct entry *entry;

	for (size_t at = 0; (entry = entry_next(&at));)
		serials[count++] = entry->serial.key;
	for (; seen < count; seen++) {
		entry = entry_find(serials[seen]);
		if (entry)
			move_one(reader, entry, from);
		if (seen % MOVED_AT_ONCE == MOVED_AT_ONCE - 1)
			io_yield();
	}
	free(serials);
	free(reader);
}

static void move_live(void *context)
{
	unsigned from = digests.file, to = !from;

	(void)context;
	write_tail();
	if (open_file(to)) {
		digests.file = to;
		move_all(from);
		close_file(from);
	} else {
		give_up(from);
	}
	digests.is_moving = false;
}
