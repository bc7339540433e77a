/*
 * queue/marklog - journal/SEGMENT.marks: what became of the messages in the
 * slots of a segment. Written by qmgr alone.
 *
 * What is in the file about the messages that are in the slots now is also
 * kept here, slot by slot, so that the file can be written afresh when it has
 * grown. Which message is in a slot is said by its header alone: serials come
 * to a slot in any order, as sessions hold some in stock. What is appended between two flushes
 * begins a disk block of its own: a torn write harms nothing that was flushed.
 *
 * Waits    marklog_open, marklog_flush
 * Errors   false with errno
 */
#ifndef QUEUE_MARKLOG_H
#define QUEUE_MARKLOG_H

#include "queue/flush.h"
#include "queue/mark.h"
#include "queue/segment.h"

struct slot_marks {
	uint64_t serial; /* of the message that these are about; 0: none */
	bool over;
	uint32_t *done; /* recipients, heap */
	size_t done_count, done_capacity;
};

struct marklog {
	struct disk *disk;
	char name[SEGMENT_NAME_MOST]; /* of the segment */
	struct flush flush; /* its fd is the log's */
	struct slot_marks *slots;
	uint32_t slot_count;
	int64_t end;     /* where the next record goes */
	bool block_begun; /* since the last flush */
	bool dirty;
	bool is_late;    /* records gather in `late` */
	struct buf late; /* not written yet */
	struct buf *aside; /* records that also go to the file being written */
};

/* To end at a disk block: where something that was not flushed may begin. */
int64_t marklog_block_end(int64_t at);

/* `fd`: of the segment. read_only: fine if there is no log; nothing may be
 * put. */
must_check bool marklog_open(struct marklog *log, struct disk *disk,
	const char *segment, int fd, const struct segment_shape *shape,
	bool read_only);
void marklog_close(struct marklog *log);
/* This message is in the slot now: records of another are forgotten, and
 * those of this one are kept from here on. */
void marklog_begin(struct marklog *log, uint32_t slot, uint64_t serial);
/* Append; not durable before marklog_flush. */
must_check bool marklog_put(struct marklog *log, const struct mark *mark);
/* Write what has gathered. Does not wait. */
must_check bool marklog_write_late(struct marklog *log);
/* What is known about a slot's message; NULL: nothing. */
const struct slot_marks *marklog_find(const struct marklog *log,
	uint32_t slot, uint64_t serial);
/* All that was put is durable. After a flush that failed, the file is written
 * afresh. */
must_check bool marklog_flush(struct marklog *log);

#endif
