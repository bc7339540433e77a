/*
 * qmgr/listing - the queue as a list, for showq.
 *
 * The list goes by queue and serial. The digests of messages lie in the order
 * in which they were deferred, much the same; but after a start in the order of
 * directories, which is none, and a read for each of 20,000 was half of a
 * listing's cost. So those of the next few rows are read in the order in which
 * they lie, and a read takes what is near with it.
 */
#include "qmgr/qmgr.h"

#include <stdlib.h>

#include "base/memory.h"
#include "queue/part.h"

enum {
	AHEAD_ROWS = 4096,          /* whose digests are read at once, */
	AHEAD_OCTETS = 512 * 1024,  /* or fewer */
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

/* The digest of a row, read ahead. */
struct ahead {
	const struct row *row;
	struct digest_ref digest; /* that one; no octets: none */
	size_t at; /* in listing.octets */
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
	size_t from, to;     /* rows that were read ahead */
	struct ahead *ahead; /* of each; AHEAD_ROWS */
	struct ahead **by_place; /* likewise */
	struct buf octets;
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
		list->rows[list->count++] = (struct row){
			.serial = entry->serial.key, .turn = turn };
	}
	qsort(list->rows, list->count, sizeof(*list->rows), compare);
}

/* ---- ahead ---- */

static int compare_places(const void *a, const void *b)
{
	const struct ahead *x = *(struct ahead *const *)a,
			   *y = *(struct ahead *const *)b;

	return (x->digest.at > y->digest.at) - (x->digest.at < y->digest.at);
}

static void read_one(struct listing *list, struct ahead *ahead)
{
	const struct entry *entry = entry_find(ahead->row->serial);
	struct str digest;

	ahead->at = list->octets.len;
	if (entry && digest_find(&list->reader, entry, &digest))
		buf_add(&list->octets, digest);
	else
		ahead->digest.octets = 0;
}

static void read_ahead(struct listing *list)
{
	size_t count = 0, octets = 0;

	buf_clear(&list->octets);
	list->from = list->to;
	while (list->to < list->count && list->to < list->from + AHEAD_ROWS &&
		octets < AHEAD_OCTETS) {
		struct ahead *ahead = &list->ahead[list->to - list->from];
		const struct entry *entry;

		*ahead = (struct ahead){ .row = &list->rows[list->to++] };
		entry = entry_find(ahead->row->serial);
		if (!entry || entry->queue == QUEUE_JOURNAL ||
			entry->digest.octets == 0)
			continue;
		ahead->digest = entry->digest;
		octets += ahead->digest.octets;
		list->by_place[count++] = ahead;
	}
	qsort(list->by_place, count, sizeof(*list->by_place), compare_places);
	for (size_t i = 0; i < count; i++)
		read_one(list, list->by_place[i]);
}

/* Others have run since: it may have another one by now. */
static bool is_of(const struct digest_ref *digest, const struct entry *entry)
{
	return entry->queue != QUEUE_JOURNAL && digest->octets > 0 &&
		entry->digest.octets == digest->octets &&
		entry->digest.file == digest->file &&
		entry->digest.at == digest->at;
}

static bool find_digest(struct listing *list, const struct row *row,
	const struct entry *entry, struct str *octets)
{
	const struct ahead *ahead =
		&list->ahead[(size_t)(row - list->rows) - list->from];

	if (!is_of(&ahead->digest, entry))
		return digest_find(&list->reader, entry, octets);
	*octets = str_first(str_skip(buf_str(&list->octets), ahead->at),
		ahead->digest.octets);
	return true;
}

/* ---- rows ---- */

static void put_loaded(struct listing *list, const struct entry *entry)
{
	auto_arena struct arena *arena = arena_new(0);
	struct entry copy = *entry; /* it may be gone when it is loaded */
	struct stored *stored;

	if (entry_load(&copy, arena, &stored) != STORE_FOUND)
		return;
	copy.queue = (uint8_t)stored->queue;
	digest_format(&list->out, &copy, stored);
}

/* It says where its message waited; on the shelf it is active. */
static void put_digest(struct listing *list, const struct entry *entry,
	struct str digest)
{
	struct part_item item;

	if (entry->active && part_take(&digest, &item) &&
		item.kind == MSG_queue_entry) {
		item.entry.queue_name = STR("active");
		part_put_entry(&list->out, &item.entry);
	}
	buf_add(&list->out, digest);
}

static void put(struct listing *list, const struct row *row)
{
	const struct entry *entry = entry_find(row->serial);
	struct str digest;

	/* It is shown once, in its turn, if it is still there then. */
	if (!entry || entry->is_over)
		return;
	if (entry->active && entry->active->stored)
		digest_format(&list->out, entry, entry->active->stored);
	else if (find_digest(list, row, entry, &digest))
		put_digest(list, entry, digest);
	else
		put_loaded(list, entry);
}

static bool send_rows(struct listing *list)
{
	collect(list);
	for (size_t i = 0; i < list->count; i++) {
		if (i == list->to)
			read_ahead(list);
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
	bool sent, is_long;

	if (!msg_queue_list_recv(call, &m, span_s(10)))
		return;
	list = mem_new(1, sizeof(*list));
	list->call = call;
	list->id = m.queue_id;
	list->ahead = mem_new(AHEAD_ROWS, sizeof(*list->ahead));
	list->by_place = mem_new(AHEAD_ROWS, sizeof(*list->by_place));
	sent = send_rows(list);
	is_long = list->count >= AHEAD_ROWS;
	buf_free(&list->octets);
	free(list->ahead);
	free(list->by_place);
	buf_free(&list->out);
	free(list->rows);
	free(list);
	if (is_long)
		memory_return();
	if (sent)
		(void)!msg_queue_end_send(call, &end);
}
