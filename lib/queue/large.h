/*
 * queue/large - content over 64 KiB: a file of its own in large/.
 *
 * cleanup makes it and hands a session the write-only descriptor; when the
 * session says that it is done, nobody may be able to write to it any more:
 * proved by a read lease, which the kernel refuses while a writable descriptor
 * or mapping is left.
 *
 * A file is used again under another name (queue/spares) once its message is
 * over and nobody has it open any more: proved by a write lease.
 *
 * Waits    large_create (once per process), large_again (when it fails),
 *          large_seal, large_drop
 * Errors   false or -1 with errno
 */
#ifndef QUEUE_LARGE_H
#define QUEUE_LARGE_H

#include "io/fiber.h"
#include "queue/disk.h"
#include "queue/group.h"

enum {
	LARGE_AGAIN_MOST = 256 * 1024, /* longer files are not used again */
};

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
 * after it was made. is_again: of large_again, which may have been longer
 * before. `read_fd`, if not NULL, receives a read-only descriptor. */
must_check bool large_seal(struct large_folder *folder, uint64_t serial,
	uint64_t mark, uint64_t octets, bool is_again, int *read_fd);
/*
 * A file whose message `old` is over for good, under the name of another one
 * and write-only: an inode that is freed and made costs more than all the rest
 * of a message of 100 KB. Its octets are zero, and as many as they were: who
 * writes less than it says shows nobody's old text. The mark that `old` is over
 * must be durable. -1: it is not there any more, or somebody may still read it
 * (EAGAIN), or it is too long to be worth it; then it is gone.
 */
int large_again(struct disk *disk, uint64_t old, uint64_t serial);
/* A submission that came to nothing. */
void large_drop(struct disk *disk, uint64_t serial);

#endif
