/*
 * queue/journal - cleanup's side of the journal: messages are written into
 * free slots and become durable by flushes that are shared.
 *
 * A process owns (locks) the segments that it writes; those of a process that
 * is gone are taken over when they are found unlocked. A slot with a message
 * is used until qmgr has said that it is free: after a restart each slot that
 * holds a message counts as used, is announced again, and qmgr answers at once
 * if it had been done with.
 *
 * Waits    journal_open, journal_commit
 * Errors   false with errno
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include "base/str.h"
#include "queue/segment.h"

struct journal;

enum {
	JOURNAL_SEGMENTS_MOST = 256, /* of a class, in all processes */
};

/*
 * Make journal/ if need be; take over unlocked segments. `classes` (NULL:
 * slot_classes) is for tests.
 */
must_check bool journal_open(struct journal **journal, struct disk *disk,
	const struct slot_class *classes, size_t class_count);
void journal_close(struct journal *journal);

/*
 * Write a message (of message_format) into a slot; true: it is durable, and
 * *place tells where. A failed flush retires the segment: all that waited for
 * it fail, and their slots are blanked as far as that is still possible. Of
 * several such segments one that is empty is used again before more are made.
 * EMSGSIZE: no slot is that large. ENOSPC: no free slot and no room for more.
 */
must_check bool journal_commit(struct journal *journal, struct str message,
	uint64_t serial, struct place *place);
/* qmgr needs the slot no longer. False: it does not hold that message. */
bool journal_free(struct journal *journal, const struct place *place);

/* Call each(context, place) for every used slot; each may not wait. */
void journal_each(struct journal *journal,
	void (*each)(void *context, const struct place *place), void *context);
size_t journal_used(const struct journal *journal);

#endif
