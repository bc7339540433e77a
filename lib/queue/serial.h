/*
 * queue/serial - serials that are never given out twice.
 *
 * journal/serial holds, in two self-checking blocks that are written in turn,
 * a number below which everything may have been used. A process takes a range
 * by moving it up, flushed, before it gives out the first of that range; what
 * is left of a range when the process ends is never used. A new queue begins
 * at 4096. If the file is lost, counting goes on from the wall clock (seconds
 * * 4096): above all that was used unless more than 4,096 messages came each
 * second since 1970.
 *
 * Waits    serial_take, once per SERIAL_RANGE
 * Errors   false with errno
 */
#ifndef QUEUE_SERIAL_H
#define QUEUE_SERIAL_H

#include "queue/disk.h"

enum {
	SERIAL_RANGE = 16384,
};

struct serials {
	struct disk *disk;
	int fd;
	uint64_t next, end; /* of the range that this process holds */
	bool reserving;     /* by one fiber at a time */
};

/* journal/ exists. The file is made if it is not there. */
must_check bool serials_open(struct serials *serials, struct disk *disk);
void serials_close(struct serials *serials);
/* `count` (1 to SERIAL_RANGE) consecutive serials. */
must_check bool serials_take(struct serials *serials, unsigned count,
	uint64_t *first);

#endif
