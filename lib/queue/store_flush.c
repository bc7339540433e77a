/*
 * queue/store_flush - one flush for everything that waits for one.
 */
#include "queue/store_inside.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

enum {
	DROPPED_AT_ONCE = 50, /* files, in one job of a helper thread */
	OVER_KEPT = 64, /* slots, whose room stays for the next flush */
};

void store_write_late(struct store *store)
{
	if (!store->has_late)
		return;
	store->has_late = false;
	for (struct table_walk w = { 0 }; table_next(store->segments, &w);) {
		struct seen *seen = w.value;

		if (!marklog_write_late(&seen->log))
			log_warning("journal/%s.marks: %m", seen->name);
	}
}

/* At most DROPPED_AT_ONCE. */
static void drop_some(struct store *store, const uint64_t *serials,
	size_t count)
{
	char paths[DROPPED_AT_ONCE][SPOOL_PATH_MOST];
	const char *pointers[DROPPED_AT_ONCE] = { NULL };

	for (size_t i = 0; i < count; i++) {
		spool_large_path(paths[i], serials[i]);
		pointers[i] = paths[i];
	}
	if (disk_unlink_all(store->disk, pointers, count) < 0)
		log_warning("%s%s: %m", paths[0],
			count > 1 ? " or another one" : "");
}

/* The array may move meanwhile, and grow at its end. */
static void drop_large(struct store *store, const struct seen *seen,
	size_t count)
{
	for (size_t i = 0, some; i < count; i += some) {
		some = count - i < DROPPED_AT_ONCE ? count - i :
						     DROPPED_AT_ONCE;
		drop_some(store, seen->large + i, some);
	}
}

/* What came while the first `count` were seen to stays. */
static void drop_front(void *array, size_t *all, size_t count, size_t size)
{
	*all -= count;
	if (*all > 0 && count > 0)
		memmove(array, (char *)array + count * size, *all * size);
}

/* It waits for the next flush. */
static void note_failure(struct store *store)
{
	store->failures++;
	store->dirty = true;
}

static bool is_taken(struct store *store, const struct over *over)
{
	return store->takes_file &&
		store->takes_file(store->context, &over->place);
}

/* Content that the slots' owner does not take goes. */
static void share_out(struct store *store, const struct seen *seen,
	size_t count)
{
	uint64_t left[DROPPED_AT_ONCE];
	size_t some = 0;

	for (size_t i = 0; i < count; i++) {
		struct over *over = &seen->over[i]; /* the array may move */

		if (!over->spare || is_taken(store, over))
			continue;
		over->spare = false;
		left[some++] = over->place.serial;
		if (some < DROPPED_AT_ONCE)
			continue;
		drop_some(store, left, some);
		some = 0;
	}
	if (some > 0)
		drop_some(store, left, some);
}

static void flush_segment(struct store *store, struct seen *seen)
{
	size_t over = seen->over_count, large = seen->large_count;

	if ((seen->log.dirty || over > 0 || large > 0) &&
		!marklog_flush(&seen->log)) {
		log_warning("journal/%s.marks: flush failed: %m", seen->name);
		note_failure(store);
		return;
	}
	seen->flushed = store->round;
	drop_large(store, seen, large);
	drop_front(seen->large, &seen->large_count, large,
		sizeof(*seen->large));
	share_out(store, seen, over);
	for (size_t i = 0; i < over; i++) {
		struct over done = seen->over[i]; /* the array may move */

		(done.spare ? store->freed_file : store->freed)(store->context,
			&done.place);
	}
	drop_front(seen->over, &seen->over_count, over, sizeof(*seen->over));
	if (seen->over_count > 0 || seen->over_capacity <= OVER_KEPT)
		return;
	free(seen->over); /* a burst does not leave its room behind */
	seen->over = NULL;
	seen->over_capacity = 0;
}

static bool is_same_file(const struct pending *a, const struct pending *b)
{
	return a->queue == b->queue && strcmp(a->id, b->id) == 0;
}

static void flush_touched(struct store *store, struct list *touched)
{
	struct pending *last = NULL; /* flushed */

	list_each(at, touched) {
		struct pending *pending = CONTAINER(at, struct pending, link);

		list_remove(at);
		if ((!last || !is_same_file(last, pending)) &&
			!spool_flush(store->disk, pending->queue,
				str_of(pending->id, pending->id_len))) {
			log_warning("%s: marks: flush failed: %m", pending->id);
			list_append(&store->touched, &pending->link);
			note_failure(store);
			continue;
		}
		free(last);
		last = pending;
	}
	free(last);
}

static void flush_removed(struct store *store, struct list *removed)
{
	bool flushed[QUEUE_NAMES_END][256] = { 0 };

	list_each(at, removed) {
		struct pending *pending = CONTAINER(at, struct pending, link);
		bool *is_flushed = &flushed[pending->queue]
			[(unsigned char)pending->id[0]];

		list_remove(at);
		if (!*is_flushed &&
			!spool_sync(store->disk, pending->queue,
				str_of(pending->id, pending->id_len))) {
			log_warning("%s: flush failed: %m",
				queue_name_text(pending->queue));
			list_append(&store->removed, &pending->link);
			note_failure(store);
			continue;
		}
		*is_flushed = true;
		if (pending->large)
			drop_some(store, &pending->large, 1);
		free(pending);
	}
}

static void move_all(struct list *from, struct list *to)
{
	struct list *link;

	list_init(to);
	while ((link = list_shift(from)))
		list_append(to, link);
}

/* One at a time. */
static void begin_flush(struct store *store)
{
	while (store->flushing)
		if (!io_sleep(span_ms(1)))
			io_uncancel();
	store->flushing = true;
	store->spare_count = 0;
}

static void flush_segments(struct store *store)
{
	for (struct table_walk w = { 0 }; table_next(store->segments, &w);)
		flush_segment(store, w.value);
}

/* Its round is the one before: nothing but slots was flushed. */
bool store_flush_spares(struct store *store)
{
	while (store->spare_count < STORE_SPARE_MANY)
		if (!io_event_wait(&store->hurry, SPAN_FOREVER))
			return false;
	begin_flush(store);
	flush_segments(store);
	store->flushing = false;
	return true;
}

uint64_t store_flush_round(struct store *store)
{
	struct list touched, removed;
	uint64_t round;

	begin_flush(store);
	store->dirty = false;
	round = ++store->round;
	move_all(&store->touched, &touched);
	move_all(&store->removed, &removed);
	flush_segments(store);
	flush_touched(store, &touched);
	flush_removed(store, &removed);
	/* What came, or was passed over, meanwhile. */
	for (struct table_walk w = { 0 }; table_next(store->segments, &w);) {
		const struct seen *seen = w.value;

		if (seen->log.dirty || seen->over_count > 0)
			store->dirty = true;
	}
	store->flushing = false;
	return round;
}

bool store_flush_marks(struct store *store, const struct place *place)
{
	uint64_t round = store_flush_round(store);
	const struct seen *seen = table_find(store->segments,
		str_from(place->segment));

	return seen && seen->flushed >= round;
}

void store_flush(struct store *store)
{
	(void)store_flush_round(store);
}
