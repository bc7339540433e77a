/*
 * queue/part - entries of a listing on their way to showq: many in a message.
 *
 * A part is a run of frames (ipc/frame.h) whose bodies are a queue_entry or a
 * queue_recipient of the entry before, as ipc/messages.def has them.
 *
 * Waits    part_send
 * Errors   part_send: as any message; part_take: false, the part is malformed
 *          or, when nothing is left of it, over
 */
#ifndef QUEUE_PART_H
#define QUEUE_PART_H

#include "ipc/messages.h"

enum {
	PART_ENOUGH = 48 * 1024, /* octets that are worth a message */
};

void part_put_entry(struct buf *out, const struct msg_queue_entry *m);
void part_put_recipient(struct buf *out, const struct msg_queue_recipient *m);
/* All that was put, in as many messages as it takes; `out` is empty then. */
must_check bool part_send(struct call *call, struct buf *out);

/* One of the two; the slices are of the part. */
struct part_item {
	enum msg_kind kind;
	struct msg_queue_entry entry;
	struct msg_queue_recipient recipient;
};
must_check bool part_take(struct str *part, struct part_item *item);

#endif
