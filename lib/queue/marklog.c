/*
 * queue/marklog - what became of the messages in the slots of a segment.
 */
#include "queue/marklog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>

#include "base/log.h"
#include "queue/message.h"

enum {
	BLOCK = 4096,
	COMPACT_AT = 1024 * 1024,
	LATE_MOST = 16 * 1024,
	LOG_MOST = 64 * 1024 * 1024,
	PATH_MOST = SEGMENT_NAME_MOST + 32,
};

int64_t marklog_block_end(int64_t at)
{
	return (at + BLOCK - 1) & ~(int64_t)(BLOCK - 1);
}

static void log_path(char path[PATH_MOST], const struct marklog *log,
	const char *suffix)
{
	snprintf(path, PATH_MOST, "journal/%s.marks%s", log->name, suffix);
}

/* ---- what is known ---- */

void marklog_begin(struct marklog *log, uint32_t slot, uint64_t serial)
{
	struct slot_marks *marks = &log->slots[slot];

	if (marks->serial == serial)
		return;
	marks->serial = serial;
	marks->over = false;
	marks->done_count = 0;
}

static void remember(struct marklog *log, const struct mark *mark)
{
	struct slot_marks *marks;

	if (mark->slot >= log->slot_count || mark->serial == 0)
		return;
	marks = &log->slots[mark->slot];
	if (mark->serial != marks->serial) /* it has left the slot */
		return;
	if (mark->kind == MARK_OVER)
		marks->over = true;
	if (mark->kind != MARK_DONE)
		return;
	array_grow(&marks->done, &marks->done_capacity, marks->done_count + 1,
		sizeof(*marks->done));
	marks->done[marks->done_count++] = mark->recipient;
}

const struct slot_marks *marklog_find(const struct marklog *log, uint32_t slot,
	uint64_t serial)
{
	if (slot >= log->slot_count || log->slots[slot].serial != serial)
		return NULL;
	return &log->slots[slot];
}

/* ---- the file ---- */

/* Which messages are in the slots. */
static bool read_serials(struct marklog *log, int fd,
	const struct segment_shape *shape)
{
	for (uint32_t slot = 0; slot < shape->slots; slot++) {
		char octets[MESSAGE_HEAD_OCTETS];
		struct message_head head;

		if (!disk_read_all(log->disk, fd, octets, sizeof(octets),
			    segment_slot_at(shape->octets, slot)))
			return false;
		if (message_head_parse(
			    str_of(octets, sizeof(octets)), &head))
			marklog_begin(log, slot, head.serial);
	}
	return true;
}

static bool read_log(struct marklog *log, int fd,
	const struct segment_shape *shape)
{
	int64_t size = log->disk->size(log->disk, log->flush.fd);
	auto_free char *octets = NULL;
	uint64_t damaged = 0;
	struct str in;
	struct mark mark;

	if (size < 0 || size > LOG_MOST) {
		errno = EFBIG;
		return false;
	}
	if (size == 0)
		return true;
	if (!read_serials(log, fd, shape))
		return false;
	octets = mem_new((size_t)size + 1, 1);
	if (!disk_read_all(log->disk, log->flush.fd, octets, (size_t)size, 0))
		return false;
	in = str_of(octets, (size_t)size);
	while (mark_take(&in, &mark, &damaged))
		remember(log, &mark);
	log->end = marklog_block_end(size);
	return true;
}

static bool read_known(struct marklog *log, int fd,
	const struct segment_shape *shape, bool read_only)
{
	if (read_only && log->flush.fd < 0)
		return errno == ENOENT;
	if (log->flush.fd < 0)
		return false;
	return (read_only || disk_sync_dir(log->disk, "journal") == 0) &&
		read_log(log, fd, shape);
}

bool marklog_open(struct marklog *log, struct disk *disk, const char *segment,
	int fd, const struct segment_shape *shape, bool read_only)
{
	char path[PATH_MOST];

	*log = (struct marklog){ .disk = disk, .slot_count = shape->slots };
	snprintf(log->name, sizeof(log->name), "%s", segment);
	log_path(path, log, "");
	flush_init(&log->flush, disk,
		disk_open_file(disk, path,
			read_only ? O_RDONLY : O_RDWR | O_CREAT));
	log->slots = mem_new(shape->slots, sizeof(*log->slots));
	if (read_known(log, fd, shape, read_only))
		return true;
	marklog_close(log);
	return false;
}

void marklog_close(struct marklog *log)
{
	disk_close(log->disk, &log->flush.fd);
	for (uint32_t i = 0; log->slots && i < log->slot_count; i++)
		free(log->slots[i].done);
	free(log->slots);
	buf_free(&log->late);
	log->slots = NULL;
}

static bool write_records(struct marklog *log, struct str records)
{
	if (!log->block_begun)
		log->end = marklog_block_end(log->end);
	log->block_begun = true;
	if (!disk_write_all(log->disk, log->flush.fd, records.p, records.len,
		    log->end)) {
		log->flush.error = errno; /* the next flush writes all afresh */
		return false;
	}
	log->end += (int64_t)records.len;
	return true;
}

bool marklog_put(struct marklog *log, const struct mark *mark)
{
	auto_buf struct buf record = { 0 };

	remember(log, mark);
	log->dirty = true;
	if (log->is_late && !log->aside) {
		mark_format(&log->late, mark);
		return log->late.len < LATE_MOST || marklog_write_late(log);
	}
	mark_format(&record, mark);
	if (log->aside)
		buf_add(log->aside, buf_str(&record));
	return write_records(log, buf_str(&record));
}

bool marklog_write_late(struct marklog *log)
{
	bool done = log->late.len == 0 ||
		write_records(log, buf_str(&log->late));

	buf_clear(&log->late); /* a failure is known to the next flush */
	return done;
}

static void format_slot(struct buf *out, const struct slot_marks *marks,
	uint32_t slot)
{
	struct mark mark = { .kind = MARK_OVER, .serial = marks->serial,
		.slot = slot, .wall_us = wall_us() };

	if (marks->over) {
		mark_format(out, &mark);
		return;
	}
	mark.kind = MARK_DONE;
	for (size_t i = 0; i < marks->done_count; i++) {
		mark.recipient = marks->done[i];
		mark_format(out, &mark);
	}
}

/* Write all that is known to `fd`, and what comes meanwhile. */
static bool write_afresh(struct marklog *log, int fd, int64_t *end)
{
	auto_buf struct buf all = { 0 };
	struct buf *aside = log->aside;

	for (uint32_t slot = 0; slot < log->slot_count; slot++)
		if (log->slots[slot].serial)
			format_slot(&all, &log->slots[slot], slot);
	*end = 0;
	do {
		if (!disk_write_all(log->disk, fd, buf_str(&all).p, all.len,
			    *end))
			return false;
		*end = marklog_block_end(*end + (int64_t)all.len);
		buf_clear(&all);
		if (disk_sync(log->disk, fd) < 0)
			return false;
		buf_add(&all, buf_str(aside));
		buf_clear(aside);
	} while (all.len > 0);
	return true;
}

static bool swap(struct marklog *log)
{
	char path[PATH_MOST], fresh[PATH_MOST];
	int64_t end;
	int fd;

	log_path(path, log, "");
	log_path(fresh, log, ".new");
	fd = disk_open_file(log->disk, fresh, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return false;
	if (!write_afresh(log, fd, &end) ||
		disk_rename(log->disk, fresh, path) < 0) {
		disk_close(log->disk, &fd);
		return false;
	}
	while (log->flush.running) /* on the old one */
		if (!io_sleep(span_ms(1)))
			io_uncancel();
	/* What came during the rename. */
	log->block_begun = log->aside->len > 0;
	if (!disk_write_all(log->disk, fd, buf_str(log->aside).p,
		    log->aside->len, end))
		log_warning("journal/%s.marks: %m", log->name);
	log->end = end + (int64_t)log->aside->len;
	disk_close(log->disk, &log->flush.fd);
	log->flush.fd = fd;
	log->flush.error = 0;
	return disk_sync_dir(log->disk, "journal") == 0 &&
		disk_sync(log->disk, fd) == 0;
}

static bool compact(struct marklog *log)
{
	auto_buf struct buf aside = { 0 };
	bool done;

	log->aside = &aside;
	done = swap(log);
	log->aside = NULL;
	return done;
}

bool marklog_flush(struct marklog *log)
{
	/* Who comes during a rewrite waits for the next round. */
	while (log->aside)
		if (!io_sleep(span_ms(1)))
			io_uncancel();
	(void)!marklog_write_late(log);
	if (log->end > COMPACT_AT || log->flush.error) {
		log->dirty = false;
		if (compact(log))
			return true;
		log->dirty = true;
		return false;
	}
	log->block_begun = false;
	log->dirty = false;
	if (flush_wait(&log->flush))
		return true;
	log->dirty = true;
	return false;
}
