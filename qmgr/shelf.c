/*
 * qmgr/shelf - active messages that wait for their turn, in little memory.
 *
 * Some 20,000 may be active, and all but a few wait: for a destination that
 * gets no more at once, for a transport. What a message is takes 2 KB, with its
 * content more. Where it goes takes 200 octets, and that is all the scheduler
 * has to know. So as soon as it is routed a message goes on the shelf, and is
 * read again when its turn has come. What has a result of this attempt stays
 * in full: that is nowhere else until the message is kept or gone.
 *
 * In full are thus: those that wait for rewrite(8) or for the disk, which
 * activation and deliveries do not let become many (message_is_behind); those
 * that are being delivered; and a few new ones, up to WHOLE_MOST, which spares
 * the second reading while there is little to do.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>

enum {
	WHOLE_MOST = 1024 * 1024, /* octets of new messages kept as read */
	AS_READ_MOST = 16 * 1024, /* of one that goes on the shelf soon */
	PROBE_FLAGS = SUBMIT_VERIFY_ONLY | SUBMIT_PROBE,
};

static struct blocks memory;

/* Of stored_copy and the recipients. */
static size_t octets_of(const struct stored *stored)
{
	size_t each = sizeof(struct rcpt) + sizeof(struct recipient) +
		sizeof(struct reason) + sizeof(bool);

	return sizeof(*stored) + stored->envelope.recipient_count * each +
		stored->head.envelope_octets;
}

static void copy_small(struct arena **arena, struct stored **stored)
{
	struct arena *small = arena_new_small(octets_of(*stored));

	*stored = stored_copy(small, *stored);
	arena_free(*arena);
	*arena = small;
}

static void fill(struct message *message, struct arena *arena,
	struct stored *stored)
{
	message->arena = arena;
	message->stored = stored;
	message->rcpts = arena_array(arena, message->count,
		sizeof(*message->rcpts));
	for (size_t i = 0; i < message->count; i++) {
		message->rcpts[i].address =
			stored->envelope.recipients[i].address;
		message->rcpts[i].state =
			stored->done[i] ? RCPT_DONE : RCPT_IDLE;
	}
	qmgr.in_full++;
}

/* What is new is soon gone; what was deferred may be many, and wait again. */
static uint32_t keep_whole(enum queue_name queue, size_t octets)
{
	if (queue != QUEUE_JOURNAL || qmgr.whole + octets > WHOLE_MOST)
		return 0;
	qmgr.whole += octets;
	return (uint32_t)octets;
}

struct message *shelf_message(struct entry *entry, struct arena *arena,
	struct stored *stored)
{
	struct message *message;
	size_t octets = arena_octets(arena);

	if (memory.size == 0)
		blocks_init(&memory, sizeof(*message));
	message = blocks_new(&memory);
	message->entry = entry;
	message->active_us = wall_us();
	message->count = (uint32_t)stored->envelope.recipient_count;
	message->is_probe = (stored->envelope.flags & PROBE_FLAGS) ==
		PROBE_FLAGS;
	message->is_singly = !str_is_none(stored->envelope.verp);
	list_init(&message->jobs);
	message->whole = keep_whole(stored->queue, octets);
	if (message->whole == 0 && octets > AS_READ_MOST)
		copy_small(&arena, &stored);
	fill(message, arena, stored);
	return message;
}

static void empty(struct message *message)
{
	if (!message->stored)
		return;
	qmgr.in_full--;
	qmgr.whole -= message->whole;
	message->whole = 0;
	arena_free(message->arena);
	message->arena = NULL;
	message->stored = NULL;
	message->rcpts = NULL;
}

void shelf_free(struct message *message)
{
	empty(message);
	blocks_free(&memory, message);
}

/* Nothing is known of it that is not in its slot or file, or in its job. */
static bool only_waits(const struct message *message, uint32_t recipient)
{
	const struct rcpt *rcpt = &message->rcpts[recipient];
	struct str address =
		message->stored->envelope.recipients[recipient].address;

	if (rcpt->is_tried)
		return false;
	return rcpt->state == RCPT_DONE ||
		(rcpt->state == RCPT_QUEUED && rcpt->again == 0 &&
			!rcpt->is_passed && rcpt->address.p == address.p &&
			rcpt->address.len == address.len);
}

void shelf_put(struct message *message)
{
	if (!message->stored || message->whole > 0 || message->is_finishing ||
		message->deliveries > 0 || message->open == 0)
		return;
	for (uint32_t i = 0; i < message->count; i++)
		if (!only_waits(message, i))
			return;
	empty(message);
}

/* One at a time reads it. */
static bool is_for_us(struct message *message)
{
	while (message->is_fetched)
		if (!io_event_wait(&qmgr.ended, SPAN_FOREVER))
			return false;
	return true;
}

enum store_result shelf_fetch(struct message *message, size_t recipients)
{
	struct arena *arena;
	struct stored *stored;
	enum store_result result;

	if (!is_for_us(message))
		return STORE_ERROR;
	if (message->stored)
		return STORE_FOUND;
	message->is_fetched = true;
	arena = arena_new(0);
	result = entry_load(message->entry, arena, &stored);
	message->is_fetched = false;
	io_event_wake_all(&qmgr.ended);
	if (result == STORE_FOUND &&
		stored->envelope.recipient_count != message->count) {
		result = STORE_ERROR;
		errno = EBADMSG;
	}
	if (result != STORE_FOUND) {
		arena_free(arena);
		return result;
	}
	/* Others of its recipients may have to wait for long. */
	if (recipients < message->open)
		copy_small(&arena, &stored);
	fill(message, arena, stored);
	schedule_restore(message);
	return STORE_FOUND;
}

void shelf_shrink(struct message *message)
{
	struct stored *stored = message->stored;
	struct rcpt *rcpts = message->rcpts;
	struct arena *arena = arena_new_small(octets_of(stored));

	message->stored = stored_copy(arena, stored);
	message->rcpts = arena_array(arena, message->count, sizeof(*rcpts));
	for (size_t i = 0; i < message->count; i++) {
		struct rcpt *rcpt = &message->rcpts[i];

		*rcpt = rcpts[i];
		rcpt->nexthop = STR(""); /* of an attempt that is over */
		rcpt->address = str_eq(rcpt->address,
				stored->envelope.recipients[i].address)
			? message->stored->envelope.recipients[i].address
			: arena_copy(arena, rcpt->address);
	}
	qmgr.whole -= message->whole;
	message->whole = 0;
	arena_free(message->arena);
	message->arena = arena;
}
