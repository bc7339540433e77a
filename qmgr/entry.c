/*
 * qmgr/entry - every message that is in the queue, by its serial.
 */
#include "qmgr/qmgr.h"

#include <stdlib.h>

static struct blocks memory;

static struct entry *entry_of(struct keyed_link *link)
{
	return link ? CONTAINER(link, struct entry, serial) : NULL;
}

struct entry *entry_find(uint64_t serial)
{
	return entry_of(keyed_find(&qmgr.entries, serial));
}

struct entry *entry_next(size_t *at)
{
	return entry_of(keyed_next(&qmgr.entries, at));
}

struct entry *entry_find_id(struct str id)
{
	struct entry *entry;
	uint64_t serial;

	if (!queue_id_parse(id, &serial))
		return NULL;
	entry = entry_find(serial);
	return entry && str_is(id, entry->id) ? entry : NULL;
}

struct entry *entry_new(uint64_t serial, struct str id, enum queue_name queue)
{
	struct entry *entry;
	struct str text = str_first(id, QUEUE_ID_MOST);

	if (memory.size == 0)
		blocks_init(&memory, sizeof(*entry));
	entry = blocks_new(&memory);
	entry->serial.key = serial;
	entry->queue = (uint8_t)queue;
	if (text.len)
		memcpy(entry->id, text.p, text.len);
	keyed_add(&qmgr.entries, &entry->serial);
	return entry;
}

struct entry *entry_new_slotted(const struct place *place)
{
	struct entry *entry = entry_new(place->serial, STR(""), QUEUE_JOURNAL);

	entry->slotted = mem_new(1, sizeof(*entry->slotted));
	entry->slotted->entry = entry;
	entry->slotted->place = *place;
	return entry;
}

enum store_result entry_load(const struct entry *entry, struct arena *arena,
	struct stored **stored)
{
	struct place place;

	if (entry->queue != QUEUE_JOURNAL)
		return store_load_file(&qmgr.store, arena, entry->queue,
			str_of(entry->id, strlen(entry->id)), stored);
	place = entry->slotted->place; /* the entry may change meanwhile */
	return store_load_slot(&qmgr.store, arena, &place, entry->again,
		stored);
}

static void leave_incoming(struct entry *entry)
{
	if (entry->queue != QUEUE_JOURNAL)
		return;
	if (list_is_linked(&entry->slotted->incoming))
		qmgr.incoming_count--;
	list_remove(&entry->slotted->incoming);
}

/* What its queue alone has. */
static void leave_queue(struct entry *entry)
{
	leave_incoming(entry);
	if (entry->queue == QUEUE_JOURNAL)
		free(entry->slotted);
	else
		digest_drop(entry);
	entry->digest = (struct digest_ref){ 0 };
}

void entry_set_queue(struct entry *entry, enum queue_name queue)
{
	if (entry->queue == queue)
		return;
	if (queue == QUEUE_JOURNAL)
		panic("%s: back in a slot", entry->id);
	leave_queue(entry);
	entry->queue = (uint8_t)queue;
}

void entry_put_incoming(struct entry *entry)
{
	list_append(&qmgr.incoming, &entry->slotted->incoming);
	qmgr.incoming_count++;
}

void entry_take_id(struct entry *entry, const struct stored *stored)
{
	struct str id = str_first(stored->envelope.queue_id, QUEUE_ID_MOST);

	if (!entry->id[0])
		memcpy(entry->id, id.p, id.len);
}

void entry_forget_turn(struct entry *entry)
{
	leave_incoming(entry);
	heap_remove(&qmgr.deferred, &entry->timer);
}

void entry_over(struct entry *entry)
{
	entry->is_over = true;
	entry_forget_turn(entry);
}

void entry_free(struct entry *entry)
{
	entry_forget_turn(entry);
	leave_queue(entry);
	keyed_remove(&qmgr.entries, &entry->serial);
	blocks_free(&memory, entry);
}

void entry_defer(struct entry *entry, int64_t next_us)
{
	/* By the monotonic clock from here on; a wall clock that was set back
	 * keeps nothing waiting longer than the longest backoff. */
	int64_t wait = next_us - wall_us();
	int64_t most = qmgr.conf->maximal_backoff_time.us;

	if (wait < 0)
		wait = 0;
	if (wait > most)
		wait = most;
	heap_put(&qmgr.deferred, &entry->timer, moment_now().us + wait);
}
