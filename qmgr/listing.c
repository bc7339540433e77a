/*
 * qmgr/listing - the queue as a list, for showq.
 */
#include "qmgr/qmgr.h"

#include <stdlib.h>

static bool send_entry(struct call *call, const struct entry *entry,
	const struct stored *stored, const char *queue)
{
	struct msg_queue_entry m = {
		.queue_name = str_from(queue),
		.queue_id = str_from(entry->id),
		.arrival_us = stored->envelope.arrival_us,
		.size = message_content_octets(&stored->head,
			&stored->envelope),
		.forced_expire = stored->expire || entry->expire,
		.sender = stored->envelope.sender,
	};

	return msg_queue_entry_send(call, &m);
}

static bool send_recipients(struct call *call, const struct stored *stored)
{
	for (size_t i = 0; i < stored->envelope.recipient_count; i++) {
		const struct recipient *r = &stored->envelope.recipients[i];
		const struct status *why = &stored->reasons[i].status;
		struct msg_queue_recipient m = {
			.address = r->address,
			.orig = r->orig,
			.reason = stored->reasons[i].wall_us &&
					why->code / 100 != 2
				? why->text : STR(""),
		};

		if (!stored->done[i] && !msg_queue_recipient_send(call, &m))
			return false;
	}
	return true;
}

static bool send_active(struct call *call, const struct entry *entry)
{
	/* A copy: sending waits, and the message may end meanwhile. */
	auto_arena struct arena *arena = arena_new(0);
	const struct stored *stored = entry->active->stored;
	size_t count = stored->envelope.recipient_count;
	struct stored copy = *stored;
	struct recipient *recipients =
		arena_array(arena, count, sizeof(*recipients));

	copy.reasons = arena_array(arena, count, sizeof(*copy.reasons));
	copy.done = arena_array(arena, count, sizeof(*copy.done));
	copy.envelope.sender = arena_copy(arena, stored->envelope.sender);
	for (size_t i = 0; i < count; i++) {
		recipients[i].address = arena_copy(arena,
			stored->envelope.recipients[i].address);
		recipients[i].orig = arena_copy(arena,
			stored->envelope.recipients[i].orig);
		copy.done[i] = stored->done[i];
		copy.reasons[i] = stored->reasons[i];
		copy.reasons[i].status.text = arena_copy(arena,
			stored->reasons[i].status.text);
	}
	copy.envelope.recipients = recipients;
	return send_entry(call, entry, &copy, "active") &&
		send_recipients(call, &copy);
}

static bool send_waiting(struct call *call, const struct entry *entry)
{
	auto_arena struct arena *arena = arena_new(0);
	enum queue_name queue = entry->queue;
	struct entry copy = *entry;
	struct stored *stored;
	enum store_result result = queue == QUEUE_JOURNAL
		? store_load_slot(&qmgr.store, arena, &copy.place, false,
			  &stored)
		: store_load_file(&qmgr.store, arena, queue,
			  str_from(copy.id), &stored);
	struct str id;

	if (result != STORE_FOUND)
		return true;
	id = str_first(stored->envelope.queue_id, QUEUE_ID_MOST);
	memcpy(copy.id, id.p, id.len);
	return send_entry(call, &copy, stored, queue_name_text(queue)) &&
		send_recipients(call, stored);
}

/* Postfix's order: active, incoming, deferred, hold. */
static const struct {
	bool active;
	enum queue_name queue;
} order[] = {
	{ true, QUEUE_NAMES_END }, { false, QUEUE_JOURNAL },
	{ false, QUEUE_DEFERRED }, { false, QUEUE_HOLD },
};

struct serials {
	uint64_t *serials;
	size_t count, capacity;
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void collect(struct serials *all, size_t at)
{
	for (struct table_walk w = { 0 }; table_next(qmgr.entries, &w);) {
		const struct entry *entry = w.value;
		bool is_active = entry->active != NULL;

		if (entry->is_over || is_active != order[at].active ||
			(!is_active && entry->queue != order[at].queue))
			continue;
		array_grow(&all->serials, &all->capacity, all->count + 1,
			sizeof(*all->serials));
		all->serials[all->count++] = entry->serial;
	}
	qsort(all->serials, all->count, sizeof(*all->serials), compare);
}

static bool send_queue(struct call *call, size_t at, struct str id)
{
	struct serials all = { 0 };
	bool sent = true;

	collect(&all, at);
	for (size_t i = 0; i < all.count && sent; i++) {
		const struct entry *entry = entry_find(all.serials[i]);

		if (!entry || entry->is_over ||
			(id.len && !str_is(id, entry->id)))
			continue;
		sent = entry->active ? send_active(call, entry)
				     : send_waiting(call, entry);
	}
	free(all.serials);
	return sent;
}

void listing_serve(struct call *call)
{
	struct msg_queue_list list;
	struct msg_queue_end end = { 0 };

	if (!msg_queue_list_recv(call, &list, span_s(10)))
		return;
	for (size_t i = 0; i < COUNT(order); i++)
		if (!send_queue(call, i, list.queue_id))
			return;
	(void)!msg_queue_end_send(call, &end);
}
