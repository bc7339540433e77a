/*
 * qmgr/listing - the queue as a list, for showq.
 */
#include "qmgr/qmgr.h"

#include <stdlib.h>

#include "queue/part.h"

enum {
	WHOLE_FROM = 500, /* rows, for which all digests are read at once */
};

/* Postfix's order: active, incoming, deferred, hold. */
enum turn { ACTIVE, INCOMING, DEFERRED, HOLD, TURNS_END };

static enum turn turn_of(const struct entry *entry)
{
	static const enum turn turns[QUEUE_NAMES_END] = {
		[QUEUE_JOURNAL] = INCOMING,
		[QUEUE_DEFERRED] = DEFERRED,
		[QUEUE_HOLD] = HOLD,
		[QUEUE_CORRUPT] = TURNS_END, /* is not shown */
	};

	if (entry->is_over)
		return TURNS_END;
	return entry->active ? ACTIVE : turns[entry->queue];
}

struct row {
	uint64_t serial;
	enum turn turn;
};

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->turn != y->turn)
		return x->turn < y->turn ? -1 : 1;
	return (x->serial > y->serial) - (x->serial < y->serial);
}

/* One list under way. */
struct listing {
	struct call *call;
	struct str id; /* only this one; empty: all */
	struct row *rows;
	size_t count;
	struct buf out;
	struct digest_reader reader;
};

static void collect(struct listing *list)
{
	const struct entry *entry;

	list->rows = mem_new(qmgr.entries.count + 1, sizeof(*list->rows));
	for (size_t at = 0; (entry = entry_next(&at));) {
		enum turn turn = turn_of(entry);

		if (turn == TURNS_END ||
			(list->id.len && !str_is(list->id, entry->id)))
			continue;
		list->rows[list->count++] = (struct row){ entry->serial.key, turn };
	}
	qsort(list->rows, list->count, sizeof(*list->rows), compare);
}

static void put_loaded(struct listing *list, const struct entry *entry)
{
	auto_arena struct arena *arena = arena_new(0);
	struct entry copy = *entry; /* it may be gone when it is loaded */
	struct stored *stored;

	if (entry_load(&copy, arena, &stored) != STORE_FOUND)
		return;
	copy.queue = (uint8_t)stored->queue;
	copy.active = NULL;
	digest_format(&list->out, &copy, stored);
}

static void put(struct listing *list, const struct row *row)
{
	const struct entry *entry = entry_find(row->serial);
	struct str digest;

	/* It is shown once, in its turn, if it is still there then. */
	if (!entry || entry->is_over)
		return;
	if (entry->active)
		digest_format(&list->out, entry, entry->active->stored);
	else if (digest_find(&list->reader, entry, &digest))
		buf_add(&list->out, digest);
	else
		put_loaded(list, entry);
}

static bool send_rows(struct listing *list)
{
	collect(list);
	if (list->count >= WHOLE_FROM)
		digest_reader_fill(&list->reader);
	for (size_t i = 0; i < list->count; i++) {
		put(list, &list->rows[i]);
		if (list->out.len >= PART_ENOUGH &&
			!part_send(list->call, &list->out))
			return false;
	}
	return part_send(list->call, &list->out);
}

void listing_serve(struct call *call)
{
	struct msg_queue_end end = { 0 };
	struct msg_queue_list m;
	struct listing *list;
	bool sent;

	if (!msg_queue_list_recv(call, &m, span_s(10)))
		return;
	list = mem_new(1, sizeof(*list));
	list->call = call;
	list->id = m.queue_id;
	sent = send_rows(list);
	digest_reader_end(&list->reader);
	buf_free(&list->out);
	free(list->rows);
	free(list);
	if (sent)
		(void)!msg_queue_end_send(call, &end);
}
