/*
 * mailbox/arriving - the file posthorn-arriving of a store (mailbox/arrival.h),
 * as the one process has it that may write to it: its lock says which that is.
 *
 * It is written in place, all of it once before, so that to flush a record is
 * to write its octets and nothing else: no inode, no folder, no journal.
 *
 * Waits    arriving_make, arriving_flush; arriving_retire unless `here`
 * Errors   false: said in the log; it is good for nothing any more then, but
 *          for arriving_drop
 */
#ifndef MAILBOX_ARRIVING_H
#define MAILBOX_ARRIVING_H

#include "io/fiber.h"
#include "mailbox/arrival.h"

struct arriving {
	int dir;           /* the store's; borrowed */
	int fd;            /* -1: there is no list */
	bool has_failed;
	struct arrival_head head; /* the one that is durable */
	uint64_t number;   /* of the last one that was written */
	bool is_head_open; /* it is not durable yet */
	uint64_t sequence; /* of the next record */
	size_t at;         /* behind the last one */
	uint64_t durable;  /* all records before this one are */
	bool is_flushing;
	struct io_event event;
};

void arriving_init(struct arriving *list, int dir);
/* A new one, empty. False: there is one already, or it cannot be made. */
must_check bool arriving_make(struct arriving *list);
/*
 * The one that a process left that is no more, with its lock. NONE: there is
 * none. False: another process has it, or it cannot be read just now.
 */
must_check bool arriving_take_over(struct arriving *list, struct arena *arena,
	struct str *octets);
/* So many octets (whole blocks) have a place now. */
bool arriving_has_room(const struct arriving *list, size_t octets);
/* A record with the number `sequence`, which is then that of the next one. It
 * has room. */
must_check bool arriving_write(struct arriving *list, struct str record);
/* It is durable, with all before it, when this returns. Those who come while a
 * flush runs share the next one. */
must_check bool arriving_flush(struct arriving *list, uint64_t sequence);
/* Records before this one, which lies there, count no more; durable. here:
 * nothing else runs meanwhile. */
must_check bool arriving_retire(struct arriving *list, uint64_t sequence,
	size_t at, bool here);
/* The file goes. Nothing in it counts any more. */
void arriving_drop(struct arriving *list);
/* It stays, for whoever takes it over. */
void arriving_leave(struct arriving *list);

#endif
