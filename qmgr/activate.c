/*
 * qmgr/activate - from waiting to active, as long as there is room: in turns
 * one that has just come and one whose next attempt is due.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

enum {
	WHOLE_MOST = 4 * 1024 * 1024, /* octets of messages kept as read */
	BUSY_US = 10 * 1000,      /* until one is looked at again */
};

/* Of one that has to wait: itself, and stored_copy of what was read. */
static size_t octets_of(const struct stored *stored)
{
	size_t each = sizeof(struct rcpt) + sizeof(struct recipient) +
		sizeof(struct reason) + sizeof(bool);

	return sizeof(struct message) + sizeof(*stored) +
		stored->envelope.recipient_count * each +
		stored->head.envelope_octets;
}

/* A few stay as they were read: they are soon gone. When many are active,
 * most have to wait for their turn, with no more than they need. */
static struct message *new_message(struct arena *arena, struct stored *stored)
{
	size_t whole = arena_octets(arena);
	size_t rcpts = stored->envelope.recipient_count * sizeof(struct rcpt);
	struct message *message;

	if (qmgr.whole + whole > WHOLE_MOST) {
		struct arena *small = arena_new_small(octets_of(stored));

		stored = stored_copy(small, stored);
		arena_free(arena);
		arena = small;
		whole = 0;
	}
	message = arena_alloc(arena, sizeof(*message) + rcpts);
	message->arena = arena;
	message->stored = stored;
	message->whole = whole;
	qmgr.whole += whole;
	return message;
}

/* The loaded message becomes active. Takes the arena over. */
static void enter(struct entry *entry, struct arena *arena,
	struct stored *loaded)
{
	struct message *message = new_message(arena, loaded);
	struct stored *stored = message->stored;
	size_t count = stored->envelope.recipient_count;

	message->entry = entry;
	message->active_us = wall_us();
	list_init(&message->jobs);
	io_event_init(&message->ended);
	for (size_t i = 0; i < count; i++) {
		message->rcpts[i].address =
			stored->envelope.recipients[i].address;
		if (stored->done[i])
			message->rcpts[i].state = RCPT_DONE;
		else
			message->open++;
	}
	entry->active = message;
	qmgr.active++;
	if (qmgr.active > qmgr.most_active)
		qmgr.most_active = qmgr.active;
	if (stored->envelope.flags & SUBMIT_HOLD &&
		stored->queue == QUEUE_JOURNAL) {
		message->stop = STOP_HOLD;
		message->open = 0;
		message_check(message);
		return;
	}
	message_begin(message);
}

/* What was found in a slot or file in place of a message. */
static void give_up(struct entry *entry, enum store_result result)
{
	if (result == STORE_OVER && entry->queue == QUEUE_JOURNAL &&
		entry->id[0] &&
		spool_has(qmgr.disk, QUEUE_DEFERRED, str_from(entry->id))) {
		/* A move that failed half way. */
		entry_set_queue(entry, QUEUE_DEFERRED);
		entry_defer(entry, wall_us());
		return;
	}
	if (result != STORE_ERROR) {
		entry_over(entry);
		/* A slot that is over is known until it was reported free. */
		if (entry->queue != QUEUE_JOURNAL || result == STORE_GONE)
			entry_free(entry);
		return;
	}
	log_warning("%s: cannot be read: %m", entry->id);
	entry_defer(entry, wall_us() + qmgr.conf->minimal_backoff_time.us);
}

bool activate_now(struct entry *entry)
{
	struct arena *arena;
	struct stored *stored;
	enum store_result result;
	enum queue_name queue = entry->queue;

	if (entry->active || entry->is_loading || entry->is_over)
		return false;
	entry_forget_turn(entry);
	entry->is_loading = true;
	arena = arena_new(0);
	result = entry_load(entry, arena, &stored);
	entry->is_loading = false;
	if (queue == QUEUE_JOURNAL && entry->queue != queue) {
		/* Its file was found meanwhile, and that is the truth: the
		 * slot, which is over, says nothing of the message. */
		arena_free(arena);
		return false;
	}
	if (result != STORE_FOUND) {
		arena_free(arena);
		give_up(entry, result);
		return false;
	}
	entry_take_id(entry, stored);
	enter(entry, arena, stored);
	return true;
}

static bool has_room(void)
{
	int64_t most = qmgr.conf->qmgr_message_active_limit;

	return !service_is_retiring() &&
		(most <= 0 || (int64_t)qmgr.active < most);
}

static bool activate_incoming(void)
{
	struct list *link = list_first(&qmgr.incoming);

	if (!link || !has_room())
		return false;
	activate_now(CONTAINER(link, struct slotted, incoming)->entry);
	return true;
}

static bool activate_due(void)
{
	struct heap_link *first = heap_first(&qmgr.deferred);
	struct entry *entry;

	if (!first || first->key > moment_now().us || !has_room())
		return false;
	entry = CONTAINER(first, struct entry, timer);
	if (entry->is_loading) /* by somebody else: not in others' way */
		heap_put(&qmgr.deferred, first, moment_now().us + BUSY_US);
	else
		activate_now(entry);
	return true;
}

static struct moment look; /* the next one at the deferred */

/* Deferred ones are looked at every queue_run_delay; between two looks, and
 * when others have left, those that have come. */
static void run(void *context)
{
	struct span delay = qmgr.conf->queue_run_delay;

	(void)context;
	if (delay.us < 1000000)
		delay = span_s(1);
	for (;;) {
		bool did = activate_incoming();

		if (moment_left(look).us == 0) {
			if (activate_due())
				did = true;
			else if (has_room())
				look = moment_after(delay);
		}
		if (did)
			io_yield();
		else if (!io_event_wait(&qmgr.news, has_room()
				? moment_left(look) : span_s(1)) &&
			errno != ETIMEDOUT)
			return;
	}
}

void activate_start(void)
{
	io_spawn("activate", run, NULL);
}

struct all {
	struct entry **entries;
	size_t count, capacity;
};

void activate_all(void)
{
	struct all all = { 0 };

	/* Files that are not known yet are meant as well. */
	qmgr.flush_wanted = !qmgr.is_indexed;
	for (size_t i = 0; i < qmgr.deferred.count; i++) {
		array_grow(&all.entries, &all.capacity, all.count + 1,
			sizeof(*all.entries));
		all.entries[all.count++] = CONTAINER(qmgr.deferred.links[i],
			struct entry, timer);
	}
	schedule_revive();
	for (size_t i = 0; i < all.count; i++)
		heap_put(&qmgr.deferred, &all.entries[i]->timer, 0);
	free(all.entries);
	look = moment_now();
	io_event_wake_all(&qmgr.news);
}
