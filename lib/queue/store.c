/*
 * queue/store - qmgr's side of the queue.
 */
#include "queue/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/log.h"

enum {
	FRONT_OCTETS = 8 * 1024, /* of a slot: what is read at once */
};

/* A segment as qmgr sees it. */
struct seen {
	char name[SEGMENT_NAME_MOST];
	struct segment_shape shape;
	int fd;
	struct marklog log;
	struct place *over; /* to be reported free after the next flush */
	size_t over_count, over_capacity;
	uint64_t *large; /* serials whose content goes then */
	size_t large_count, large_capacity;
	uint64_t flushed; /* the last round of the store that got through */
};

/* A file that waits for a flush of itself or of its directory. */
struct pending {
	struct list link;
	enum queue_name queue;
	char id[QUEUE_ID_MOST + 1];
	size_t id_len;
	uint64_t large; /* serial whose content goes then, 0: none */
};

bool store_open(struct store *store, struct disk *disk, bool read_only,
	void (*freed)(void *context, const struct place *place), void *context)
{
	*store = (struct store){ .disk = disk, .read_only = read_only,
		.freed = freed, .context = context, .round = 1 };
	list_init(&store->removed);
	list_init(&store->touched);
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

/* ---- segments ---- */

static struct seen *find_segment(struct store *store, const char *name)
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
	struct seen *seen = find_segment(store, name);
	struct place place;
	bool whole = true;

	if (!seen) {
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

/* ---- loading ---- */

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

static void set_done(struct stored *stored, uint32_t recipient)
{
	if (recipient >= stored->envelope.recipient_count ||
		stored->done[recipient])
		return;
	stored->done[recipient] = true;
	stored->left--;
}

static void report_over(struct store *store, struct seen *seen,
	const struct place *place)
{
	array_grow(&seen->over, &seen->over_capacity, seen->over_count + 1,
		sizeof(*seen->over));
	seen->over[seen->over_count++] = *place;
	store->dirty = true;
}

static bool put_over(struct store *store, struct seen *seen,
	const struct place *place)
{
	struct mark mark = { .kind = MARK_OVER, .serial = place->serial,
		.slot = place->slot, .wall_us = wall_us() };

	store->has_late = store->is_late;
	if (!marklog_put(&seen->log, &mark)) {
		log_warning("journal/%s.marks: %m", seen->name);
		return false;
	}
	report_over(store, seen, place);
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
		!put_over(store, seen, place))
		return STORE_ERROR;
	log_warning("%.*s: damaged message in journal/%s, slot %u: kept as "
		"corrupt/%.1s/%.*s", STR_ARG(id), place->segment,
		(unsigned)place->slot, id.p, STR_ARG(id));
	return STORE_CORRUPT;
}

/* Is there a file that was written after this slot? */
static bool has_file(struct store *store, struct str id)
{
	return spool_has(store->disk, QUEUE_DEFERRED, id) ||
		spool_has(store->disk, QUEUE_HOLD, id);
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

/* With the next flush of the segment's marks. */
static void drop_large_later(struct seen *seen, uint64_t serial)
{
	array_grow(&seen->large, &seen->large_capacity, seen->large_count + 1,
		sizeof(*seen->large));
	seen->large[seen->large_count++] = serial;
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
		drop_large_later(seen, head->serial);
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
	if (again && has_file(store, stored->envelope.queue_id)) {
		if (store->read_only || put_over(store, seen, place))
			return STORE_OVER;
		return STORE_ERROR;
	}
	marks = marklog_find(&seen->log, place->slot, place->serial);
	for (size_t i = 0; marks && i < marks->done_count; i++)
		set_done(stored, marks->done[i]);
	*loaded = stored;
	return STORE_FOUND;
}

enum store_result store_load_slot(struct store *store, struct arena *arena,
	const struct place *place, bool again, struct stored **stored)
{
	struct seen *seen = find_segment(store, place->segment);
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
			report_over(store, seen, place);
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
		set_done(stored, mark->recipient);
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
		seen = find_segment(store, stored->place.segment);
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

/* ---- what became of it ---- */

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

	set_done(stored, recipient);
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
	set_done(stored, recipient);
}

static void drop_large(struct store *store, uint64_t serial)
{
	char path[SPOOL_PATH_MOST];

	spool_large_path(path, serial);
	if (disk_unlink(store->disk, path) < 0 && errno != ENOENT)
		log_warning("%s: %m", path);
}

static bool over_slot(struct store *store, struct stored *stored)
{
	struct seen *seen = find_segment(store, stored->place.segment);

	if (!seen || !put_over(store, seen, &stored->place))
		return false;
	if (stored->head.large_octets)
		drop_large_later(seen, stored->head.serial);
	return true;
}

/* The slot that a file came from is over, durably. */
static bool leave_slot(struct store *store, struct stored *stored)
{
	struct seen *seen = find_segment(store, stored->place.segment);

	if (!seen || !put_over(store, seen, &stored->place))
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

static uint64_t flush_round(struct store *store);

/* That others have made the store dirty again meanwhile is no failure, and
 * that a segment was passed over is none of a file's. */
static bool flush_over(struct store *store, const struct stored *stored)
{
	uint64_t failures = store->failures, round = flush_round(store);
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
	struct seen *seen = find_segment(store, stored->place.segment);
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

/* ---- flushing ---- */

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
	for (size_t i = 0; i < large; i++)
		drop_large(store, seen->large[i]);
	drop_front(seen->large, &seen->large_count, large,
		sizeof(*seen->large));
	for (size_t i = 0; i < over; i++) {
		struct place place = seen->over[i]; /* the array may move */

		store->freed(store->context, &place);
	}
	drop_front(seen->over, &seen->over_count, over, sizeof(*seen->over));
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
			drop_large(store, pending->large);
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

/* Returns its number. */
static uint64_t flush_round(struct store *store)
{
	struct list touched, removed;
	uint64_t round;

	while (store->flushing)
		if (!io_sleep(span_ms(1)))
			io_uncancel();
	store->flushing = true;
	store->dirty = false;
	round = ++store->round;
	move_all(&store->touched, &touched);
	move_all(&store->removed, &removed);
	for (struct table_walk w = { 0 }; table_next(store->segments, &w);)
		flush_segment(store, w.value);
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

void store_flush(struct store *store)
{
	(void)flush_round(store);
}
