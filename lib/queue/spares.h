/*
 * queue/spares - files of large/ whose messages are over, to be used again.
 *
 * qmgr gives them to the cleanup that made them (`freed`). There are as many
 * as are used: what lay here for a second unneeded is removed, all of it when
 * no large mail comes any more.
 *
 * Memory   heap
 * Waits    spares_tidy, spares_close
 * Errors   none: one that is not there is made anew
 */
#ifndef QUEUE_SPARES_H
#define QUEUE_SPARES_H

#include "io/fiber.h"
#include "queue/disk.h"

enum {
	SPARES_MOST = 64, /* kept; LARGE_AGAIN_MOST octets each at most */
};

struct spares {
	struct disk *disk;
	/* private */
	uint64_t *serials; /* the one that came last is used next */
	size_t count, capacity;
	size_t least; /* that there were at a time since the last look */
	struct io_event news, full;
};

void spares_init(struct spares *spares, struct disk *disk);
/* A fiber that looks each second. */
void spares_start(struct spares *spares);
/* That message is over, durably, and its file is ours. */
void spares_add(struct spares *spares, uint64_t serial);
/* False: there is none. */
bool spares_take(struct spares *spares, uint64_t *serial);
/* Remove what was not needed since the last call. */
void spares_tidy(struct spares *spares);
/* Remove all. */
void spares_close(struct spares *spares);

#endif
