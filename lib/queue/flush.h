/*
 * queue/flush - one fdatasync for all who wait at that moment.
 *
 * Who has written calls flush_wait; while a flush runs, those who come gather
 * for the next one. Cancelled fibers wait too: they must know. Where flushes are
 * quick and nobody else ever comes, they are made in place: two wake-ups less.
 *
 * Waits    flush_wait
 */
#ifndef QUEUE_FLUSH_H
#define QUEUE_FLUSH_H

#include "io/fiber.h"
#include "queue/disk.h"

struct flush {
	struct disk *disk;
	int fd;
	uint64_t begun, done; /* flushes */
	bool running;
	unsigned waiting; /* fibers */
	unsigned alone;   /* flushes in a row, all quick, that one waited for */
	int error; /* of a flush that failed: none is made any more */
	struct io_event event;
};

void flush_init(struct flush *flush, struct disk *disk, int fd);
/* True: all written to fd before the call is durable. False with errno. */
must_check bool flush_wait(struct flush *flush);

#endif
