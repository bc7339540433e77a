/*
 * queue/store_load - a message from its slot or its file, with the marks of
 * what became of it.
 */
#include "queue/store_inside.h"

#include <errno.h>
#include <fcntl.h>

#include "base/log.h"

enum {
	FRONT_OCTETS = 8 * 1024, /* of a slot: what is read at once */
};

static void copy_reason(struct arena *arena, struct reason *reason)
{
	reason->status.text = arena_copy(arena, reason->status.text);
	reason->mta = arena_copy(arena, reason->mta);
	reason->diagnostic = arena_copy(arena, reason->diagnostic);
}

struct stored *stored_copy(struct arena *arena, const struct stored *stored)
{
	size_t count = stored->envelope.recipient_count;
	size_t reasons = count * sizeof(*stored->reasons);
	struct stored *copy =
		arena_alloc(arena, sizeof(*copy) + reasons + count);

	*copy = *stored;
	copy->content = STR_NONE;
	copy->reasons = (void *)(copy + 1);
	copy->done = (void *)((char *)copy->reasons + reasons);
	memcpy(copy->reasons, stored->reasons, reasons);
	memcpy(copy->done, stored->done, count);
	envelope_copy(arena, &stored->envelope, &copy->envelope);
	for (size_t i = 0; i < count; i++)
		copy_reason(arena, &copy->reasons[i]);
	return copy;
}

static struct stored *new_stored(struct arena *arena,
	const struct message_head *head, enum queue_name queue)
{
	struct stored *stored = arena_new_of(arena, struct stored);

	stored->queue = queue;
	stored->head = *head;
	return stored;
}

/* Envelope and content from the body. False: the envelope is malformed. */
static bool take_body(struct arena *arena, struct stored *stored,
	struct str body)
{
	size_t count;

	if (!envelope_parse(arena,
		    str_first(body, stored->head.envelope_octets),
		    &stored->envelope) ||
		stored->envelope.skip > stored->head.large_octets)
		return false;
	stored->content = str_skip(body, stored->head.envelope_octets);
	count = stored->envelope.recipient_count;
	stored->done = arena_array(arena, count, sizeof(*stored->done));
	stored->reasons = arena_array(arena, count, sizeof(*stored->reasons));
	stored->left = count;
	return true;
}

/* A damaged message: what can be read goes to corrupt/. */
static enum store_result condemn(struct store *store, struct seen *seen,
	const struct place *place, struct str octets)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str id = queue_id_text(arena, place->serial, 0, false);

	if (store->read_only)
		return STORE_CORRUPT;
	if (!spool_write(store->disk, QUEUE_CORRUPT, id, octets) ||
		!store_put_over(store, seen, place))
		return STORE_ERROR;
	log_warning("%.*s: damaged message in journal/%s, slot %u: kept as "
		"corrupt/%.1s/%.*s", STR_ARG(id), place->segment,
		(unsigned)place->slot, id.p, STR_ARG(id));
	return STORE_CORRUPT;
}

/* A file that was written after this slot, and is durable: who wrote it may
 * have died just before that. STORE_GONE: there is none. */
static enum store_result find_file(struct store *store, struct str id)
{
	static const enum queue_name queues[] = { QUEUE_DEFERRED, QUEUE_HOLD };

	for (size_t i = 0; i < COUNT(queues); i++) {
		if (spool_has(store->disk, queues[i], id))
			return store->read_only ||
				spool_sync(store->disk, queues[i], id)
				? STORE_FOUND : STORE_ERROR;
		if (errno != ENOENT && errno != ENOTDIR)
			return STORE_ERROR;
	}
	return STORE_GONE;
}

/* With a file the slot is over; STORE_FOUND: it is not. */
static enum store_result leave_to_file(struct store *store, struct seen *seen,
	const struct place *place, struct str id)
{
	enum store_result file = find_file(store, id);

	if (file == STORE_FOUND)
		return store->read_only || store_put_over(store, seen, place)
			? STORE_OVER : STORE_ERROR;
	return file == STORE_GONE ? STORE_FOUND : file;
}

/* The whole of a slot whose `front` was read already. */
static bool read_rest(struct store *store, struct arena *arena,
	const struct seen *seen, const struct place *place, size_t len,
	struct str *octets)
{
	struct str front = *octets;
	char *all;

	*octets = str_first(front, len);
	if (len <= front.len)
		return true;
	all = arena_alloc(arena, len + 1);
	memcpy(all, front.p, front.len);
	*octets = str_of(all, len);
	return disk_read_all(store->disk, seen->fd, all + front.len,
		len - front.len,
		segment_slot_at(seen->shape.octets, place->slot) +
			(int64_t)front.len);
}

/* For sure: another error is no answer. What is released while we look goes
 * from hold to deferred. */
static bool has_no_file(struct store *store, struct str id)
{
	static const enum queue_name queues[] = { QUEUE_DEFERRED, QUEUE_HOLD,
		QUEUE_CORRUPT, QUEUE_DEFERRED };

	for (size_t i = 0; i < COUNT(queues); i++)
		if (spool_has(store->disk, queues[i], id) || errno != ENOENT)
			return false;
	return true;
}

/* A message that is over, and that no file has, needs its content no more: a
 * qmgr that died before it removed that left it behind. */
static void drop_left_content(struct store *store, struct arena *arena,
	struct seen *seen, const struct message_head *head, struct str front)
{
	struct stored *stored;
	struct str body;

	if (!head->large_octets || message_octets(head) > front.len)
		return;
	stored = new_stored(arena, head, QUEUE_JOURNAL);
	body = str_first(str_skip(front, MESSAGE_HEAD_OCTETS),
		(size_t)message_octets(head) - MESSAGE_HEAD_OCTETS);
	if (!message_body_is_intact(head, body) ||
		!take_body(arena, stored, body))
		return;
	if (has_no_file(store, stored->envelope.queue_id))
		store_drop_large_later(seen, head->serial);
}

static enum store_result take_slot(struct store *store, struct arena *arena,
	struct seen *seen, const struct place *place,
	const struct message_head *head, struct str octets, bool again,
	struct stored **loaded)
{
	const struct slot_marks *marks;
	struct stored *stored;
	struct str body;

	if (!read_rest(store, arena, seen, place,
		    (size_t)message_octets(head), &octets))
		return STORE_ERROR;
	body = str_skip(octets, MESSAGE_HEAD_OCTETS);
	stored = new_stored(arena, head, QUEUE_JOURNAL);
	stored->place = *place;
	if (!message_body_is_intact(head, body) ||
		!take_body(arena, stored, body))
		return condemn(store, seen, place, octets);
	if (again) {
		enum store_result result = leave_to_file(store, seen, place,
			stored->envelope.queue_id);

		if (result != STORE_FOUND)
			return result;
	}
	marks = marklog_find(&seen->log, place->slot, place->serial);
	for (size_t i = 0; marks && i < marks->done_count; i++)
		store_set_done(stored, marks->done[i]);
	*loaded = stored;
	return STORE_FOUND;
}

enum store_result store_load_slot(struct store *store, struct arena *arena,
	const struct place *place, bool again, struct stored **stored)
{
	struct seen *seen = store_segment(store, place->segment);
	const struct slot_marks *marks;
	struct message_head head;
	struct str front;
	size_t len;
	char *into;

	if (!seen)
		return STORE_ERROR;
	if (place->slot >= seen->shape.slots)
		return STORE_GONE;
	/* Most messages whole: one call. */
	len = seen->shape.octets < FRONT_OCTETS ? seen->shape.octets
						: FRONT_OCTETS;
	into = arena_alloc(arena, len);
	front = str_of(into, len);
	if (!disk_read_all(store->disk, seen->fd, into, len,
		    segment_slot_at(seen->shape.octets, place->slot)))
		return STORE_ERROR;
	if (!message_head_parse(str_first(front, MESSAGE_HEAD_OCTETS),
		    &head) ||
		head.serial != place->serial)
		return STORE_GONE;
	marks = marklog_find(&seen->log, place->slot, place->serial);
	if (marks && marks->over) {
		if (again && !store->read_only)
			drop_left_content(store, arena, seen, &head, front);
		if (!store->read_only)
			store_report_over(store, seen, place);
		return STORE_OVER;
	}
	marklog_begin(&seen->log, place->slot, place->serial);
	if (message_octets(&head) > seen->shape.octets)
		return condemn(store, seen, place,
			str_first(front, MESSAGE_HEAD_OCTETS));
	return take_slot(store, arena, seen, place, &head, front, again,
		stored);
}

static void take_mark(struct arena *arena, struct stored *stored,
	const struct mark *mark)
{
	struct reason *reason;

	if (mark->serial != stored->head.serial)
		return;
	switch (mark->kind) {
	case MARK_DONE:
		store_set_done(stored, mark->recipient);
		break;
	case MARK_STATUS:
		if (mark->recipient >= stored->envelope.recipient_count)
			break;
		reason = &stored->reasons[mark->recipient];
		reason->wall_us = mark->wall_us;
		reason->status = (struct status){ (uint16_t)mark->code,
			(uint16_t)mark->subject, (uint16_t)mark->detail,
			arena_copy(arena, mark->text) };
		reason->mta = arena_copy(arena, mark->mta);
		reason->diagnostic = arena_copy(arena, mark->diagnostic);
		break;
	case MARK_NEXT:
		stored->next_us = mark->wall_us;
		stored->attempts = mark->code;
		break;
	case MARK_WARNED:
		stored->warned = true;
		break;
	case MARK_EXPIRE:
		stored->expire = true;
		break;
	case MARK_OVER: /* nothing but the file's end says so */
	case MARK_KINDS_END:
		break;
	}
}

static enum store_result condemn_file(struct store *store,
	enum queue_name queue, struct str id)
{
	if (store->read_only || queue == QUEUE_CORRUPT)
		return STORE_CORRUPT;
	if (!spool_move(store->disk, queue, QUEUE_CORRUPT, id))
		return STORE_ERROR;
	log_warning("%.*s: damaged message in %s: moved to corrupt",
		STR_ARG(id), queue_name_text(queue));
	return STORE_CORRUPT;
}

enum store_result store_load_file(struct store *store, struct arena *arena,
	enum queue_name queue, struct str id, struct stored **loaded)
{
	struct message_head head;
	struct stored *stored;
	struct str octets, body, marks;
	struct mark mark;

	/* Half moved when the power went: it is on hold. */
	if (queue == QUEUE_DEFERRED && !store->read_only &&
		spool_has(store->disk, QUEUE_HOLD, id))
		return spool_remove(store->disk, QUEUE_DEFERRED, id) &&
				spool_sync(store->disk, QUEUE_DEFERRED, id)
			? STORE_OVER : STORE_ERROR;
	if (!spool_read(store->disk, arena, queue, id, &octets))
		return errno == ENOENT ? STORE_GONE : STORE_ERROR;
	if (!message_head_parse(octets, &head) ||
		message_octets(&head) > octets.len)
		return condemn_file(store, queue, id);
	body = str_first(str_skip(octets, MESSAGE_HEAD_OCTETS),
		(size_t)message_octets(&head) - MESSAGE_HEAD_OCTETS);
	stored = new_stored(arena, &head, queue);
	if (!message_body_is_intact(&head, body) ||
		!take_body(arena, stored, body) ||
		!str_eq(stored->envelope.queue_id, id))
		return condemn_file(store, queue, id);
	marks = str_skip(octets, mark_align(message_octets(&head)));
	while (mark_take(&marks, &mark, NULL))
		take_mark(arena, stored, &mark);
	stored->end = marklog_block_end((int64_t)octets.len);
	stored->round = store->round;
	*loaded = stored;
	return STORE_FOUND;
}

bool store_content(struct store *store, struct arena *arena,
	struct stored *stored)
{
	size_t len = (size_t)stored->head.content_octets;
	int64_t at = MESSAGE_HEAD_OCTETS + stored->head.envelope_octets;
	char *into = arena_alloc(arena, len + 1);
	char path[SPOOL_PATH_MOST];
	struct seen *seen;
	bool done;
	int fd;

	if (stored->queue == QUEUE_JOURNAL) {
		seen = store_segment(store, stored->place.segment);
		if (!seen)
			return false;
		at += segment_slot_at(seen->shape.octets, stored->place.slot);
		done = disk_read_all(store->disk, seen->fd, into, len, at);
	} else {
		spool_path(path, stored->queue, stored->envelope.queue_id);
		fd = disk_open_file(store->disk, path, O_RDONLY);
		if (fd < 0)
			return false;
		done = disk_read_all(store->disk, fd, into, len, at);
		disk_close(store->disk, &fd);
	}
	if (done)
		stored->content = str_of(into, len);
	return done;
}

int store_large(struct store *store, const struct stored *stored)
{
	char path[SPOOL_PATH_MOST];

	spool_large_path(path, stored->head.serial);
	return disk_open_file(store->disk, path, O_RDONLY);
}
