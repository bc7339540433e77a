/*
 * qmgr/entry - every message that is in the queue, by its serial.
 */
#include "qmgr/qmgr.h"

#include <stdlib.h>

static struct str key_of(const uint64_t *serial)
{
	return str_of(serial, sizeof(*serial));
}

struct entry *entry_find(uint64_t serial)
{
	return table_find(qmgr.entries, key_of(&serial));
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

struct entry *entry_new(uint64_t serial, struct str id)
{
	struct entry *entry = mem_new(1, sizeof(*entry));
	struct str text = str_first(id, QUEUE_ID_MOST);

	entry->serial = serial;
	if (text.len)
		memcpy(entry->id, text.p, text.len);
	table_put(qmgr.entries, key_of(&serial), entry);
	return entry;
}

void entry_take_id(struct entry *entry, const struct stored *stored)
{
	struct str id = str_first(stored->envelope.queue_id, QUEUE_ID_MOST);

	if (!entry->id[0])
		memcpy(entry->id, id.p, id.len);
}

static void forget_turn(struct entry *entry)
{
	if (list_is_linked(&entry->incoming))
		qmgr.incoming_count--;
	list_remove(&entry->incoming);
	heap_remove(&qmgr.deferred, &entry->timer);
}

void entry_over(struct entry *entry)
{
	entry->is_over = true;
	forget_turn(entry);
}

void entry_free(struct entry *entry)
{
	forget_turn(entry);
	table_remove(qmgr.entries, key_of(&entry->serial));
	free(entry);
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
