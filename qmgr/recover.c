/*
 * qmgr/recover - what is in the queue: announced by cleanup, found in segments
 * whose writer is gone, found in deferred/, hold/ and corrupt/.
 */
#include "qmgr/qmgr.h"

#include <errno.h>

#include "base/log.h"

enum {
	REREAD_FIRST_S = 1, /* doubled each time */
	REREAD_MOST_S = 300,
	SLOTS_TRIES = 4, /* then files go on, whatever their slots may be */
};

static void reread(void *context)
{
	int64_t pause_s = REREAD_FIRST_S;

	(void)context;
	while (qmgr.is_unread && io_sleep(span_s(pause_s)) &&
		!service_is_retiring()) {
		qmgr.is_unread = false;
		recover_journal();
		recover_files();
		if (pause_s < REREAD_MOST_S)
			pause_s *= 2;
	}
	qmgr.is_rereading = false;
}

/* No message waits in the queue unknown for want of a descriptor, memory or
 * a disk that was away for a moment. */
static void reread_later(void)
{
	qmgr.is_unread = true;
	if (qmgr.is_rereading)
		return;
	qmgr.is_rereading = true;
	io_spawn("reread", reread, NULL);
}

/* A slot with a message that has a file as well: it is over. False: that is
 * not marked. */
static bool settle_slot(const struct place *place)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stored *stored;

	if (store_load_slot(&qmgr.store, arena, place, true, &stored) !=
		STORE_ERROR)
		return true;
	log_warning("journal/%s: slot %u: %m", place->segment,
		(unsigned)place->slot);
	return false;
}

void recover_place(const struct place *place, bool again)
{
	struct entry *entry = entry_find(place->serial);

	if (entry && entry->queue == QUEUE_JOURNAL)
		return;
	if (entry) {
		(void)settle_slot(place);
		return;
	}
	entry = entry_new_slotted(place);
	entry->again = again;
	if (qmgr.is_ready && qmgr.incoming_count == 0 &&
		activate_has_room()) {
		activate_now(entry);
		return;
	}
	entry_put_incoming(entry);
	io_event_wake_all(&qmgr.news);
}

static void found_place(void *context, const struct place *place)
{
	(void)context;
	recover_place(place, true);
}

void recover_journal(void)
{
	if (!store_scan(&qmgr.store, false, found_place, NULL))
		reread_later();
}

/* ---- files ---- */

/* The slot that the file was written from is marked. False: not now. */
static bool leave_slot(uint64_t serial)
{
	const struct place *place = slots_find(serial);

	if (!place)
		return true;
	/* The mark is durable; then the file may go. */
	return settle_slot(place) &&
		store_flush_marks(&qmgr.store, place);
}

static void found_file(enum queue_name queue, struct str id)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stored *stored = NULL;
	enum store_result result;
	struct entry *entry;
	uint64_t serial;

	if (!queue_id_parse(id, &serial))
		return;
	entry = entry_find(serial);
	if (entry && entry->queue != QUEUE_JOURNAL)
		return;
	if (!leave_slot(serial)) {
		reread_later();
		return;
	}
	if (queue != QUEUE_CORRUPT) {
		result = store_load_file(&qmgr.store, arena, queue, id,
			&stored);
		if (result == STORE_ERROR) {
			log_warning("%.*s: %m: not read from %s", STR_ARG(id),
				queue_name_text(queue));
			reread_later();
		}
		if (result != STORE_FOUND)
			return;
	}
	entry = entry_find(serial); /* we may have waited */
	if (entry && (entry->active || entry->queue != QUEUE_JOURNAL))
		return;
	if (!entry)
		entry = entry_new(serial, id, queue);
	memcpy(entry->id, id.p, id.len < QUEUE_ID_MOST ? id.len
						       : QUEUE_ID_MOST);
	entry_set_queue(entry, queue);
	/* A qmgr that died may have had it delivered. */
	entry->again = true;
	entry->is_over = false;
	entry->expire = stored && stored->expire;
	if (stored)
		digest_put(entry, stored);
	if (queue == QUEUE_DEFERRED && stored)
		entry_defer(entry, stored->next_us);
}

static void find_files(enum queue_name queue)
{
	auto_arena struct arena *arena = arena_new(0);
	struct spool_ids ids;

	if (!spool_list(qmgr.disk, arena, queue, true, &ids)) {
		log_warning("%s: %m", queue_name_text(queue));
		reread_later();
	}
	for (size_t i = 0; i < ids.count; i++) {
		found_file(queue, ids.ids[i]);
		if (i % 50 == 49)
			io_yield();
	}
	io_event_wake_all(&qmgr.news);
}

/* One at a time: the slots that are known belong to it. */
void recover_files(void)
{
	if (qmgr.is_finding) {
		reread_later();
		return;
	}
	qmgr.is_finding = true;
	if (!slots_read() && ++qmgr.slots_tries < SLOTS_TRIES) {
		reread_later();
	} else {
		find_files(QUEUE_CORRUPT);
		find_files(QUEUE_HOLD);
		find_files(QUEUE_DEFERRED);
	}
	slots_forget();
	qmgr.is_finding = false;
}

/* ---- later ---- */

/* A cleanup has ended, or may be about to: if no other takes its segments
 * over, we look. */
static void rescan(void *context)
{
	static const int after_ms[] = { 200, 2000, 10000 };

	(void)context;
	for (size_t i = 0; i < COUNT(after_ms); i++) {
		if (!io_sleep(span_ms(after_ms[i])) || service_is_retiring())
			return;
		recover_journal();
	}
}

void recover_later(void)
{
	io_spawn("rescan", rescan, NULL);
}
