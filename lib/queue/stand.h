/*
 * queue/stand - for tests: a stand-in for cleanup (service/stand).
 *
 * It gives IDs and files for large content, takes submissions, and shows each
 * to `take` with its recipients and content; nothing is kept.
 *
 * Waits    no
 */
#ifndef QUEUE_STAND_H
#define QUEUE_STAND_H

#include "base/status.h"
#include "ipc/messages.h"

struct stand_message {
	struct msg_submission facts;
	struct msg_recipient *recipients;
	size_t recipient_count, recipient_capacity;
	struct str content; /* whole, large or not */
	/* Conversations with mail filters; their sockets stay the stand's. */
	struct msg_milter *milters;
	size_t milter_count, milter_capacity;
};

struct stand_queue {
	/* Called when a message is committed; what is given back is the answer.
	 * NULL: all is taken. */
	struct status (*take)(void *context, const struct stand_message *m);
	void *context;
	uint64_t in_step; /* set by take: filters that go on, bits by order */
	size_t taken; /* messages that were answered 250 */
	uint64_t space; /* as in ids_grant: 0 enough, 1 for our own, 2 none */
};

/* Answers calls to cleanup from now on. */
void stand_queue_open(struct stand_queue *queue);

#endif
