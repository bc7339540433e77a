/*
 * queue/disk_model - a file system in memory that knows what a power cut
 * leaves, for tests.
 *
 * By strict POSIX: a write is durable after a flush of its file; creating,
 * renaming and removing names after a flush of the directory; all of it after
 * a flush of everything. At a power cut
 * each disk block that was not flushed is old, new or zero; of the operations
 * in a directory that were not flushed each is done or lost.
 *
 * Memory   heap; made once per test
 * Waits    no
 */
#ifndef QUEUE_DISK_MODEL_H
#define QUEUE_DISK_MODEL_H

#include "queue/disk.h"

/* The flushes that a test can disable, by what is flushed. */
enum flush_kind {
	FLUSH_NONE,
	FLUSH_SLOT,        /* fdatasync of a segment with new slots */
	FLUSH_MARKS,       /* of journal/X.marks */
	FLUSH_SERIAL,      /* of journal/serial */
	FLUSH_FILE,        /* of a file in deferred/ or hold/ */
	FLUSH_LARGE,       /* of a file in large/ */
	FLUSH_JOURNAL_DIR, /* of journal/: a new segment's name */
	FLUSH_QUEUE_DIR,   /* of deferred/x, hold/x */
	FLUSH_LARGE_DIR,   /* of large/ */
	FLUSH_ALL,         /* of everything */
	FLUSH_KINDS_END,
};

/* A new, empty disk. */
struct disk *disk_model_new(unsigned seed);
void disk_model_free(struct disk *disk);
/* These flushes do nothing from now on. */
void disk_model_disable(struct disk *disk, enum flush_kind kind);
/* All open files are closed; what is left is what may be left. */
void disk_model_power_cut(struct disk *disk);
/* Only the processes die: files are as they are. */
void disk_model_kill(struct disk *disk);
/* After `count` more operations that change something all fail; a power cut
 * ends that. */
void disk_model_die_in(struct disk *disk, int count);
/* The flush after `count` more ones fails with EIO; -1: none. */
void disk_model_fail_flush(struct disk *disk, int count);

#endif
