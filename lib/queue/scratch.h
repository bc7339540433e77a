/*
 * queue/scratch - text that is kept for a while and read again in its order:
 * in memory while it is short, else in a file without a name, which cleanup
 * makes (`cleanup` in .calls).
 *
 * Memory   the arena given; its end is the end of the text
 * Waits    scratch_write, once: when the text becomes long
 * Errors   false with errno; nothing more can be read or written then
 */
#ifndef QUEUE_SCRATCH_H
#define QUEUE_SCRATCH_H

#include "base/buf.h"

enum {
	SCRATCH_IN_MEMORY_MOST = 64 * 1024,
	SCRATCH_BLOCK = 16 * 1024, /* at most, of one scratch_read */
};

struct scratch;

/* `queue_id`: from submit_id, for this text alone. */
struct scratch *scratch_new(struct arena *arena, struct str queue_id);
must_check bool scratch_write(struct scratch *scratch, struct str octets);
/* The next block, borrowed until the next call; empty at the end. Nothing is
 * written after the first one. */
must_check bool scratch_read(struct scratch *scratch, struct str *octets);

#endif
