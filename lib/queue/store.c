/*
 * queue/store - qmgr's side of the queue: its segments.
 */
#include "queue/store_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"

bool store_open(struct store *store, struct disk *disk, bool read_only,
	void (*freed)(void *context, const struct place *place), void *context)
{
	*store = (struct store){ .disk = disk, .read_only = read_only,
		.freed = freed, .context = context, .round = 1 };
	list_init(&store->removed);
	list_init(&store->touched);
	io_event_init(&store->hurry);
	store->segments = table_new();
	return read_only || disk_mkdir(disk, "journal") == 0;
}

static void free_seen(struct store *store, struct seen *seen)
{
	disk_close(store->disk, &seen->fd);
	free(seen->over);
	free(seen->large);
	free(seen);
}

void store_close(struct store *store)
{
	for (struct table_walk w = { 0 }; table_next(store->segments, &w);) {
		struct seen *seen = w.value;

		marklog_close(&seen->log);
		free_seen(store, seen);
	}
	table_free(store->segments);
	list_each(at, &store->removed)
		free(CONTAINER(at, struct pending, link));
	list_each(at, &store->touched)
		free(CONTAINER(at, struct pending, link));
}

struct seen *store_segment(struct store *store, const char *name)
{
	struct seen *seen = table_find(store->segments, str_from(name));
	int error;

	if (seen)
		return seen;
	seen = mem_new(1, sizeof(*seen));
	memcpy(seen->name, name, strlen(name) + 1);
	seen->fd = segment_open(store->disk, name, O_RDONLY, &seen->shape);
	if (seen->fd >= 0 &&
		marklog_open(&seen->log, store->disk, name, seen->fd,
			&seen->shape, store->read_only)) {
		struct seen *other =
			table_find(store->segments, str_from(name));

		if (!other) {
			table_put(store->segments, str_from(name), seen);
			seen->log.is_late = store->is_late;
			return seen;
		}
		marklog_close(&seen->log); /* opened while we waited */
		free_seen(store, seen);
		return other;
	}
	error = errno;
	free_seen(store, seen);
	errno = error;
	return NULL;
}

/* False: somebody writes it, or (`whole` becomes false) it is not known. */
static bool is_unowned(struct store *store, const char *name, bool *whole)
{
	struct segment_shape shape;
	int fd = segment_open(store->disk, name, O_RDONLY, &shape);
	bool unowned;

	if (fd < 0) {
		if (errno != ENOENT) {
			log_warning("journal/%s: %m: not read", name);
			*whole = false;
		}
		return false;
	}
	unowned = store->disk->lock(store->disk, fd) == 0;
	disk_close(store->disk, &fd);
	return unowned;
}

/* False: not all of it could be read. */
static bool scan_segment(struct store *store, const char *name,
	void (*each)(void *context, const struct place *place), void *context)
{
	struct seen *seen = store_segment(store, name);
	struct place place;
	bool whole = true;

	if (!seen) {
		if (errno == ENOENT) /* its writer has removed it just now */
			return true;
		log_warning("journal/%s: %m: not read", name);
		return false;
	}
	memcpy(place.segment, seen->name, sizeof(seen->name));
	for (uint32_t slot = 0; slot < seen->shape.slots; slot++) {
		char octets[MESSAGE_HEAD_OCTETS];
		struct message_head head;

		if (!disk_read_all(store->disk, seen->fd, octets,
			    sizeof(octets),
			    segment_slot_at(seen->shape.octets, slot))) {
			log_warning("journal/%s: slot %u: %m", name,
				(unsigned)slot);
			whole = false;
			continue;
		}
		if (!message_head_parse(str_of(octets, sizeof(octets)), &head))
			continue;
		place.slot = slot;
		place.serial = head.serial;
		each(context, &place);
	}
	return whole;
}

bool store_scan(struct store *store, bool all,
	void (*each)(void *context, const struct place *place), void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct disk_names names;
	bool whole = true;

	if (!disk_list(store->disk, arena, "journal", &names)) {
		if (store->read_only && errno == ENOENT)
			return true;
		log_warning("journal: %m");
		return false;
	}
	for (size_t i = 0; i < names.count; i++) {
		unsigned class;
		uint64_t number;

		if (segment_parse_name(
			    str_from(names.names[i]), &class, &number) &&
			(all || is_unowned(store, names.names[i], &whole)) &&
			!scan_segment(store, names.names[i], each, context))
			whole = false;
	}
	return whole;
}

bool store_is_over(const struct store *store, const struct place *place)
{
	const struct seen *seen = table_find(store->segments,
		str_from(place->segment));
	const struct slot_marks *marks = seen ? marklog_find(&seen->log,
		place->slot, place->serial) : NULL;

	return marks && marks->over;
}

void store_report_over(struct store *store, struct seen *seen,
	const struct place *place)
{
	array_grow(&seen->over, &seen->over_capacity, seen->over_count + 1,
		sizeof(*seen->over));
	seen->over[seen->over_count++] = (struct over){ .place = *place };
	store->dirty = true;
}

void store_spare_content(struct store *store, struct seen *seen)
{
	seen->over[seen->over_count - 1].spare = true;
	if (++store->spare_count == STORE_SPARE_MANY)
		io_event_wake_all(&store->hurry);
}

bool store_put_over(struct store *store, struct seen *seen,
	const struct place *place)
{
	struct mark mark = { .kind = MARK_OVER, .serial = place->serial,
		.slot = place->slot, .wall_us = wall_us() };

	store->has_late = store->is_late;
	if (!marklog_put(&seen->log, &mark)) {
		log_warning("journal/%s.marks: %m", seen->name);
		return false;
	}
	store_report_over(store, seen, place);
	return true;
}

/* With the next flush of the segment's marks. */
void store_drop_large_later(struct seen *seen, uint64_t serial)
{
	array_grow(&seen->large, &seen->large_capacity, seen->large_count + 1,
		sizeof(*seen->large));
	seen->large[seen->large_count++] = serial;
}
