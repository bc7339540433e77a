/*
 * queue/marklog - journal/SEGMENT.marks: what became of the messages in the
 * slots of a segment. Written by qmgr alone.
 *
 * What is in the file is also kept here, slot by slot, so that the file can be
 * written afresh when it has grown. What is appended between two flushes
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
	struct buf *aside; /* records that also go to the file being written */
};

/* To end at a disk block: where something that was not flushed may begin. */
int64_t marklog_block_end(int64_t at);

/* read_only: fine if there is none; nothing may be put. */
must_check bool marklog_open(struct marklog *log, struct disk *disk,
	const char *segment, uint32_t slot_count, bool read_only);
void marklog_close(struct marklog *log);
/* Records of another serial are forgotten when the first of a new one comes,
 * and by this. */
void marklog_begin(struct marklog *log, uint32_t slot, uint64_t serial);
/* Append; not durable before marklog_flush. */
must_check bool marklog_put(struct marklog *log, const struct mark *mark);
/* What is known about a slot's message; NULL: nothing. */
const struct slot_marks *marklog_find(const struct marklog *log,
	uint32_t slot, uint64_t serial);
/* All that was put is durable. After a flush that failed, the file is written
 * afresh. */
must_check bool marklog_flush(struct marklog *log);

#endif
