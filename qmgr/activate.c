/*
 * qmgr/activate - from waiting to active, as long as there is room: in turns
 * one that has just come and one whose next attempt is due.
 */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

enum {
	BUSY_US = 10 * 1000,      /* until one is looked at again */
};

/* The loaded message becomes active. Takes the arena over. */
static void enter(struct entry *entry, struct arena *arena,
	struct stored *stored)
{
	struct message *message = shelf_message(entry, arena, stored);

	stored = message->stored;
	for (size_t i = 0; i < message->count; i++)
		message->open += !stored->done[i];
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

void activate_failed(struct entry *entry, enum store_result result)
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
		activate_failed(entry, result);
		return false;
	}
	entry_take_id(entry, stored);
	enter(entry, arena, stored);
	return true;
}

bool activate_has_room(void)
{
	int64_t most = qmgr.conf->qmgr_message_active_limit;

	return !service_is_retiring() && !message_is_behind() &&
		(most <= 0 || (int64_t)qmgr.active < most);
}

static bool activate_incoming(void)
{
	struct list *link = list_first(&qmgr.incoming);

	if (!link || !activate_has_room())
		return false;
	activate_now(CONTAINER(link, struct slotted, incoming)->entry);
	return true;
}

static bool activate_due(void)
{
	struct heap_link *first = heap_first(&qmgr.deferred);
	struct entry *entry;

	if (!first || first->key > moment_now().us || !activate_has_room())
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
			else if (activate_has_room())
				look = moment_after(delay);
		}
		if (did)
			io_yield();
		else if (!io_event_wait(&qmgr.news, activate_has_room()
				? moment_left(look) : span_s(1)) &&
			errno != ETIMEDOUT)
			return;
	}
}

void activate_start(void)
{
	io_spawn("activate", run, NULL);
}

void activate_soon(struct entry *entry)
{
	heap_put(&qmgr.deferred, &entry->timer, 0);
	look = moment_now();
	io_event_wake_all(&qmgr.news);
}

void activate_all(void)
{
	size_t count = qmgr.deferred.count;
	struct heap_link **links = mem_new(count + 1, sizeof(*links));

	/* Files that are not known yet are meant as well. */
	qmgr.flush_wanted = !qmgr.is_indexed;
	if (count > 0)
		memcpy(links, qmgr.deferred.links,
			count * sizeof(*links));
	schedule_revive();
	for (size_t i = 0; i < count; i++)
		heap_put(&qmgr.deferred, links[i], 0);
	free(links);
	look = moment_now();
	io_event_wake_all(&qmgr.news);
}
