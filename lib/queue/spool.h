/*
 * queue/spool - messages in files of their own: deferred/, hold/, corrupt/;
 * and content over 64 KiB in large/.
 *
 *	deferred/4/4A5F21002B   the octets of queue/message.h, then marks
 *	deferred/4/tmp-...      being written
 *	large/000000000001002B  content only, by serial
 *
 * Marks that are appended later begin a disk block of their own after each
 * flush, so that a torn write harms nothing that was flushed.
 *
 * Waits    all but spool_path, spool_large_path
 * Errors   false with errno
 */
#ifndef QUEUE_SPOOL_H
#define QUEUE_SPOOL_H

#include "queue/disk.h"
#include "queue/id.h"

enum queue_name {
	QUEUE_JOURNAL, /* incoming or active: in a slot */
	QUEUE_DEFERRED,
	QUEUE_HOLD,
	QUEUE_CORRUPT,
	QUEUE_NAMES_END,
};

enum {
	SPOOL_PATH_MOST = 96,
	SPOOL_FILE_MOST = 512 * 1024 * 1024,
};

/* "deferred"; of QUEUE_JOURNAL "incoming". */
const char *queue_name_text(enum queue_name queue);

void spool_path(char path[SPOOL_PATH_MOST], enum queue_name queue,
	struct str id);
void spool_large_path(char path[SPOOL_PATH_MOST], uint64_t serial);

/* A whole file, durable with its directory before it has its name. */
must_check bool spool_write(struct disk *disk, enum queue_name queue,
	struct str id, struct str octets);
/* All of it, in the arena. */
must_check bool spool_read(struct disk *disk, struct arena *arena,
	enum queue_name queue, struct str id, struct str *octets);
/* Append records at *end, which moves on; `flush`: durable. */
must_check bool spool_append(struct disk *disk, enum queue_name queue,
	struct str id, struct str records, int64_t *end, bool flush);
/* What was appended without a flush is durable. */
must_check bool spool_flush(struct disk *disk, enum queue_name queue,
	struct str id);
bool spool_has(struct disk *disk, enum queue_name queue, struct str id);
/* Durable when it returns true. */
must_check bool spool_move(struct disk *disk, enum queue_name from,
	enum queue_name to, struct str id);
/* Not durable before spool_sync of that queue and ID. */
must_check bool spool_remove(struct disk *disk, enum queue_name queue,
	struct str id);
must_check bool spool_sync(struct disk *disk, enum queue_name queue,
	struct str id);

/* The IDs in a queue (in the arena); files that were left half written by a
 * process that is gone are removed if `tidy`. */
struct spool_ids {
	struct str *ids;
	size_t count;
};
must_check bool spool_list(struct disk *disk, struct arena *arena,
	enum queue_name queue, bool tidy, struct spool_ids *ids);

#endif
