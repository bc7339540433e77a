/*
 * queue/large - content over 64 KiB: a file of its own in large/.
 *
 * cleanup makes it and hands a session the write-only descriptor; when the
 * session says that it is done, nobody may be able to write to it any more:
 * proved by a read lease, which the kernel refuses while a writable descriptor
 * or mapping is left.
 *
 * Waits    large_create (once per process), large_seal
 * Errors   false or -1 with errno
 */
#ifndef QUEUE_LARGE_H
#define QUEUE_LARGE_H

#include "io/fiber.h"
#include "queue/disk.h"
#include "queue/group.h"

/* Who seals at the same time shares one flush of everything; one alone flushes
 * the file, and then large/ itself: that of names, which who seals later than
 * others needs not. */
struct large_folder {
	struct disk *disk;
	struct flush_group group;
	/* private: numbers of flushes that cover names */
	uint64_t begun, done, failed;
	bool running;
	int error; /* of the one that failed */
	struct io_event ended;
};

void large_folder_init(struct large_folder *folder, struct disk *disk);
/* What has a name there now is covered by the flush of that number. */
uint64_t large_mark(const struct large_folder *folder);

/* A fresh file named by the message's serial, write-only; EEXIST: never. */
int large_create(struct disk *disk, uint64_t serial);
/* One that has no name any more, to read and write: it ends with its
 * descriptor. The serial is used up. */
int large_scratch(struct disk *disk, uint64_t serial);
/* Durable, exactly `octets` long, and sealed (EAGAIN: not yet). mark: taken
 * after it was made. `read_fd`, if not NULL, receives a read-only
 * descriptor. */
must_check bool large_seal(struct large_folder *folder, uint64_t serial,
	uint64_t mark, uint64_t octets, int *read_fd);
/* A submission that came to nothing. */
void large_drop(struct disk *disk, uint64_t serial);

#endif
