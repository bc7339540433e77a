/*
 * queue/store_outcome - what became of a message: marks behind its slot or its
 * file, from slot to file, its end.
 */
#include "queue/store_inside.h"

#include <errno.h>

#include "base/log.h"
#include "queue/large.h"

void store_set_done(struct stored *stored, uint32_t recipient)
{
	if (recipient >= stored->envelope.recipient_count ||
		stored->done[recipient])
		return;
	stored->done[recipient] = true;
	stored->left--;
}

static void note(struct list *list, const struct stored *stored,
	uint64_t large)
{
	struct pending *pending = mem_new(1, sizeof(*pending));
	struct str id = str_first(stored->envelope.queue_id, QUEUE_ID_MOST);

	pending->queue = stored->queue;
	memcpy(pending->id, id.p, id.len);
	pending->id_len = id.len;
	pending->large = large;
	list_append(list, &pending->link);
}

/* Records behind a file; in a fresh disk block after each flush. */
static bool append(struct store *store, struct stored *stored,
	struct str records, bool flush)
{
	if (stored->round != store->round)
		stored->end = marklog_block_end(stored->end);
	stored->round = store->round;
	if (!spool_append(store->disk, stored->queue,
		    stored->envelope.queue_id, records, &stored->end, flush))
		return false;
	if (!flush) {
		note(&store->touched, stored, 0);
		store->dirty = true;
	}
	return true;
}

bool store_done(struct store *store, struct stored *stored, uint32_t recipient)
{
	struct mark mark = { .kind = MARK_DONE, .serial = stored->head.serial,
		.recipient = recipient, .wall_us = wall_us() };
	auto_buf struct buf record = { 0 };
	struct seen *seen;

	store_set_done(stored, recipient);
	if (stored->queue == QUEUE_JOURNAL) {
		seen = table_find(store->segments,
			str_from(stored->place.segment));
		if (!seen)
			panic("store: %s is not open", stored->place.segment);
		mark.slot = stored->place.slot;
		store->dirty = true;
		store->has_late = store->is_late;
		return marklog_put(&seen->log, &mark);
	}
	mark_format(&record, &mark);
	return append(store, stored, buf_str(&record), false);
}

void store_done_unwritten(struct stored *stored, uint32_t recipient)
{
	store_set_done(stored, recipient);
}

static bool over_slot(struct store *store, struct stored *stored)
{
	struct seen *seen = store_segment(store, stored->place.segment);

	if (!seen || !store_put_over(store, seen, &stored->place))
		return false;
	if (stored->head.large_octets > LARGE_AGAIN_MOST)
		store_drop_large_later(seen, stored->head.serial);
	else if (stored->head.large_octets)
		store_spare_content(store, seen);
	return true;
}

/* The slot that a file came from is over, durably. */
static bool leave_slot(struct store *store, struct stored *stored)
{
	struct seen *seen = store_segment(store, stored->place.segment);

	if (!seen || !store_put_over(store, seen, &stored->place))
		return false;
	if (!marklog_flush(&seen->log)) {
		log_warning("journal/%s.marks: flush failed: %m", seen->name);
		return false;
	}
	stored->slot_left = false;
	return true;
}

static bool over_file(struct store *store, struct stored *stored)
{
	/* Else the slot would come back without its file. */
	if (stored->slot_left && !leave_slot(store, stored))
		return false;
	if (stored->half_moved &&
		!spool_move(store->disk, QUEUE_DEFERRED, QUEUE_HOLD,
			stored->envelope.queue_id))
		return false;
	if (stored->half_moved)
		stored->queue = QUEUE_HOLD;
	stored->half_moved = false;
	if (!spool_remove(store->disk, stored->queue,
		    stored->envelope.queue_id) &&
		errno != ENOENT)
		return false;
	note(&store->removed, stored,
		stored->head.large_octets ? stored->head.serial : 0);
	store->dirty = true;
	return true;
}

/* That others have made the store dirty again meanwhile is no failure, and
 * that a segment was passed over is none of a file's. */
static bool flush_over(struct store *store, const struct stored *stored)
{
	uint64_t failures = store->failures, round = store_flush_round(store);
	const struct seen *seen = stored->queue != QUEUE_JOURNAL ? NULL :
		table_find(store->segments, str_from(stored->place.segment));

	return store->failures == failures && (!seen ||
		seen->flushed >= round);
}

bool store_over(struct store *store, struct stored *stored, bool now)
{
	bool done = stored->queue == QUEUE_JOURNAL
		? over_slot(store, stored) : over_file(store, stored);

	return done && (!now || flush_over(store, stored));
}

static void put_mark(struct buf *out, const struct stored *stored,
	enum mark_kind kind, uint32_t recipient)
{
	const struct reason *reason = &stored->reasons[recipient];
	struct mark mark = { .kind = kind, .serial = stored->head.serial,
		.recipient = recipient, .wall_us = wall_us() };

	if (kind == MARK_STATUS) {
		mark.wall_us = reason->wall_us;
		mark.code = reason->status.code;
		mark.subject = reason->status.subject;
		mark.detail = reason->status.detail;
		mark.text = reason->status.text;
		mark.mta = reason->mta;
		mark.diagnostic = reason->diagnostic;
	}
	if (kind == MARK_NEXT) {
		mark.wall_us = stored->next_us;
		mark.code = (uint32_t)stored->attempts;
	}
	mark_format(out, &mark);
}

/* What is known beside the message itself. */
static void format_state(struct buf *out, const struct stored *stored,
	int64_t since_us, bool with_done)
{
	for (uint32_t i = 0; i < stored->envelope.recipient_count; i++) {
		if (stored->done[i] && with_done)
			put_mark(out, stored, MARK_DONE, i);
		else if (!stored->done[i] && stored->reasons[i].wall_us &&
			stored->reasons[i].wall_us >= since_us)
			put_mark(out, stored, MARK_STATUS, i);
	}
	put_mark(out, stored, MARK_NEXT, 0);
	if (stored->warned)
		put_mark(out, stored, MARK_WARNED, 0);
	if (stored->expire)
		put_mark(out, stored, MARK_EXPIRE, 0);
}

bool store_update(struct store *store, struct stored *stored,
	int64_t since_us, bool flush)
{
	auto_buf struct buf records = { 0 };

	format_state(&records, stored, since_us, false);
	return append(store, stored, buf_str(&records), flush);
}

/* Slot to file: only then is the slot over. */
static bool keep_slot(struct store *store, struct stored *stored,
	enum queue_name queue)
{
	struct seen *seen = store_segment(store, stored->place.segment);
	auto_arena struct arena *arena = arena_new(0);
	struct stored copy = *stored;
	auto_buf struct buf octets = { 0 };

	if (!seen || !store_content(store, arena, &copy))
		return false;
	message_format(&octets, &copy.head, &copy.envelope, copy.content);
	while (octets.len % 8 != 0)
		buf_char(&octets, 0);
	format_state(&octets, stored, 0, true);
	if (!spool_write(store->disk, queue, stored->envelope.queue_id,
		    buf_str(&octets)))
		return false;
	stored->queue = queue;
	stored->end = marklog_block_end((int64_t)octets.len);
	stored->round = store->round;
	stored->slot_left = true;
	(void)!leave_slot(store, stored); /* or when the file goes */
	return true;
}

bool store_keep(struct store *store, struct stored *stored,
	enum queue_name queue)
{
	if (stored->queue == QUEUE_JOURNAL)
		return keep_slot(store, stored, queue);
	if (stored->queue != queue) {
		stored->half_moved = true;
		if (!spool_move(store->disk, stored->queue, queue,
			    stored->envelope.queue_id))
			return false;
		stored->half_moved = false;
		stored->queue = queue;
	}
	return store_update(store, stored, 0, true);
}
