#include "mailbox/arrivals.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "io/filesystem.h"
#include "mailbox/arrivals_inside.h"

enum {
	/* Commands or messages before a list is made: 2 MiB are written, and
	 * flushed, for that. */
	WORTHWHILE = 8,
	/* What comes meanwhile shares the flushes; about so long a client waits
	 * that comes by way of another process, and another program. */
	REST_MS = 200,
	PAUSE_MS = 100,  /* for other processes, which waited for us */
	RETRY_MS = 1000, /* a full disk */
	OCTETS_MOST = ARRIVAL_RING / 4,
	ROOM_EACH = 320, /* octets of a record, for a name and numbers */
};

/* ---- the fiber that settles ---- */

static struct mailbox *begin_names(struct mailbox_arrivals *a)
{
	struct mailbox *m = NULL;

	list_each (at, &a->batches) {
		struct batch *b = batch_at(at);

		if (b->state != NAMED || (m && b->mailbox != m))
			continue;
		m = b->mailbox;
		b->is_under_way = true;
	}
	return m;
}

static bool flush_names(struct mailbox_arrivals *a)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox *m;

	while ((m = begin_names(a)) != NULL) {
		/* Its name may change meanwhile. */
		const char *name = arena_cstr(arena, str_from(m->name));

		if (mailbox_store_flush(a->store, name) != MAILBOX_OK)
			return false;
		arrivals_end_named(a, m, true);
	}
	return true;
}

static void free_batch(struct batch *b)
{
	list_remove(&b->link);
	for (size_t i = 0; i < b->count; i++) {
		free(b->files[i].temporary);
		free(b->files[i].name);
	}
	mailbox_close(b->mailbox);
	free(b->files);
	free(b);
}

/* Those at the beginning; a later one's record stands in front of others. */
static void free_done(struct mailbox_arrivals *a)
{
	while (!list_is_empty(&a->batches) &&
		batch_at(a->batches.next)->state == DONE)
		free_batch(batch_at(a->batches.next));
}

/* Other processes need not wait any more. */
static bool say_none(struct mailbox_arrivals *a)
{
	struct index_txn *txn = index_begin(a->store->index, true);
	unsigned said;

	if (!txn)
		return false;
	said = index_arriving(txn);
	if (said & INDEX_AWAITED)
		a->pause_end = moment_after(span_ms(PAUSE_MS));
	if (said == 0 || !index_arriving_put(txn, 0))
		index_abort(txn);
	else if (index_commit(txn))
		said = 0;
	a->is_said = said != 0;
	return !a->is_said;
}

static bool settle_flushed(struct mailbox_arrivals *a)
{
	bool ok = true;

	list_each (at, &a->batches) {
		struct batch *b = batch_at(at);

		if (arrivals_is_ready(b, b->mailbox))
			ok = arrivals_name(b->mailbox) && ok;
	}
	return ok;
}

static bool settle_some(struct mailbox_arrivals *a)
{
	bool ok = arrivals_flush_texts(a, NULL, false) && settle_flushed(a) &&
		flush_names(a) && arrivals_retire_done(a, false);

	if (!ok)
		return false;
	a->is_stuck = false;
	free_done(a);
	if (!list_is_empty(&a->batches))
		return true;
	return say_none(a);
}

/* The list is half full, and room is needed while the rest fills. */
static bool is_urgent(const struct mailbox_arrivals *a)
{
	return !arriving_has_room(&a->list, ARRIVAL_RING / 2);
}

static void follow(void *context)
{
	struct mailbox_arrivals *a = context;
	bool ok = true;

	while (a->is_said || !list_is_empty(&a->batches)) {
		if (!(ok && is_urgent(a)) && !io_event_wait(&a->hurry,
			span_ms(ok ? REST_MS : RETRY_MS)) &&
			io_is_cancelled())
			break;
		ok = settle_some(a);
		/* Who waits for room looks for another way. */
		if (!ok)
			arrivals_get_stuck(a);
		io_event_wake_all(&a->list.event);
	}
	a->is_running = false;
}

static void follow_soon(struct mailbox_arrivals *a)
{
	if (a->is_running)
		return;
	a->is_running = true;
	a->settler = io_spawn("mailbox arrivals", follow, a);
}

/* ---- taking them in ---- */

static bool is_on(const struct mailbox_arrivals *a)
{
	return a->list.fd >= 0 && !a->list.has_failed && !a->is_making &&
		a->held == 0 && !a->is_stuck && io_self();
}

/* Whom news are owed at once. */
static bool is_watched(const struct mailbox *m)
{
	return !list_is_empty(&m->watchers) ||
		!list_is_empty(&m->store->observers);
}

bool mailbox_arrivals_want(struct mailbox *m, int fd, size_t octets)
{
	struct mailbox_arrivals *a = m->store->arrivals;
	struct stat st;

	return is_on(a) && !is_watched(m) && octets <= OCTETS_MOST &&
		moment_left(a->pause_end).us <= 0 && fd_stat(fd, &st) &&
		st.st_dev == a->device;
}

static size_t room_of(const struct mailbox *m, size_t count, size_t octets)
{
	size_t all = octets + (count + 1) * ROOM_EACH + strlen(m->name);

	return (all + ARRIVAL_BLOCK - 1) / ARRIVAL_BLOCK * ARRIVAL_BLOCK;
}

bool mailbox_arrivals_room(struct mailbox *m, size_t count, size_t octets)
{
	struct mailbox_arrivals *a = m->store->arrivals;

	if (count > MAILBOX_ARRIVALS_MOST || octets > OCTETS_MOST)
		return false;
	while (is_on(a) && !is_watched(m) &&
		!arriving_has_room(&a->list, room_of(m, count, octets))) {
		io_event_wake_all(&a->hurry);
		if (!io_event_wait(&a->list.event, SPAN_FOREVER))
			return false;
	}
	return is_on(a) && !is_watched(m);
}

bool mailbox_arrivals_may(struct mailbox *m, struct index_txn *txn,
	size_t count, size_t octets)
{
	struct mailbox_arrivals *a = m->store->arrivals;
	unsigned said = index_arriving(txn);

	if (said & INDEX_AWAITED)
		io_event_wake_all(&a->hurry);
	if (!arriving_has_room(&a->list, room_of(m, count, octets)) ||
		(said & INDEX_AWAITED))
		return false;
	a->is_said = true;
	return said != 0 || index_arriving_put(txn, INDEX_ARRIVING);
}

static char *copy_of(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		starved("out of memory");
	return copy;
}

static struct batch *new_batch(struct mailbox *m,
	const struct mailbox_arrival *items, size_t count)
{
	struct batch *b = mem_new(1, sizeof(*b));

	b->mailbox = m;
	b->uidvalidity = m->row.uidvalidity;
	b->sequence = m->store->arrivals->list.sequence;
	b->files = mem_new(count, sizeof(*b->files));
	b->count = count;
	for (size_t i = 0; i < count; i++)
		b->files[i] = (struct arrivals_file){ .is = items[i].is,
			.name = copy_of(items[i].name),
			.temporary = copy_of(items[i].temporary) };
	m->users++;
	m->arriving += count;
	return b;
}

static bool write_record(struct mailbox_arrivals *a, struct batch *b,
	const struct mailbox_arrival *items)
{
	struct arena *arena auto_arena = arena_new(0);
	struct arrival_record record = { .sequence = b->sequence,
		.uidvalidity = b->uidvalidity,
		.mailbox = str_from(b->mailbox->name),
		.items = arena_array(arena, b->count, sizeof(struct arrival)),
		.count = b->count };
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < b->count; i++)
		record.items[i] = (struct arrival){ .uid = items[i].is.uid,
			.internal_s = items[i].is.internal_s,
			.name = str_from(items[i].name),
			.temporary_len = strlen(items[i].temporary),
			.text = items[i].text };
	arrival_record_format(&out, a->list.head.nonce, &record);
	if (out.failed || !arriving_write(&a->list, buf_str(&out))) {
		a->list.has_failed = true;
		return false;
	}
	b->at = a->list.at - out.len;
	return true;
}

static struct batch *find_batch(struct mailbox_arrivals *a, uint64_t sequence)
{
	list_each (at, &a->batches)
		if (batch_at(at)->sequence == sequence)
			return batch_at(at);
	return NULL;
}

/* The list has failed: what it does not have is nobody's if it cannot be made
 * durable in the other way. */
static enum mailbox_result add_otherwise(struct mailbox *m, uint64_t sequence)
{
	struct mailbox_arrivals *a = m->store->arrivals;
	enum mailbox_result result = MAILBOX_TRY_LATER;
	struct batch *b;

	if (mailbox_arrivals_settle(m))
		result = mailbox_store_flush(m->store, m->name);
	b = find_batch(a, sequence);
	if (result == MAILBOX_OK || !b || b->state == DONE)
		return MAILBOX_OK;
	for (size_t i = 0; i < b->count; i++) {
		const struct mailbox_entry entry = { .name = b->files[i].name };

		if (b->files[i].temporary)
			m->store->driver->cancel(&m->store->place, m->name,
				b->files[i].temporary);
		else if (!m->store->driver->unlink(&m->store->place, m->name,
			&entry))
			log_warning("%s: remove %s: %m", m->store->path,
				entry.name);
	}
	if (b->state == WAITING)
		m->arriving -= b->count;
	b->state = DONE;
	return result;
}

enum mailbox_result mailbox_arrivals_add(struct mailbox *m,
	const struct mailbox_arrival *items, size_t count)
{
	struct mailbox_arrivals *a = m->store->arrivals;
	struct batch *b = new_batch(m, items, count);
	uint64_t sequence = b->sequence;
	bool ok = !a->list.has_failed && write_record(a, b, items);

	list_append(&a->batches, &b->link);
	follow_soon(a);
	if (is_urgent(a))
		io_event_wake_all(&a->hurry);
	if (ok && arriving_flush(&a->list, sequence))
		return MAILBOX_OK;
	return add_otherwise(m, sequence);
}

int mailbox_arrivals_open(struct mailbox *m, const char *temporary)
{
	char path[MAILBOX_PATH_MOST];

	return openat(m->store->dir, arrivals_path(m, "tmp", temporary, path),
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

bool mailbox_arrivals_allow(const struct mailbox *m)
{
	return m->arriving == 0 && !m->is_barred;
}

/* ---- the list ---- */

static void make(void *context)
{
	struct mailbox_arrivals *a = context;

	if (!arriving_make(&a->list))
		log_debug("%s: no list of arrivals", a->store->path);
	a->is_making = false;
}

void mailbox_arrivals_count(struct mailbox_store *store, size_t count)
{
	struct mailbox_arrivals *a = store->arrivals;

	a->counted += count;
	if (a->counted < WORTHWHILE || a->is_made || a->held > 0 ||
		!io_self())
		return;
	a->is_made = a->is_making = true;
	io_spawn("mailbox arrivals list", make, a);
}

bool mailbox_arrivals_are_ours(const struct mailbox_store *store)
{
	return store->arrivals->list.fd >= 0;
}

bool mailbox_arrivals_await(struct mailbox_store *store)
{
	return mailbox_arrivals_are_ours(store) || arrivals_await(store);
}

void mailbox_arrivals_begin(struct mailbox_store *store)
{
	struct mailbox_arrivals *a = mem_new(1, sizeof(*a));
	struct stat st;

	a->store = store;
	list_init(&a->batches);
	arriving_init(&a->list, store->dir);
	io_event_init(&a->hurry);
	if (fd_stat(store->dir, &st))
		a->device = st.st_dev;
	a->knows_syncfs = io_syncfs_is_known(store->dir);
	store->arrivals = a;
	arrivals_recover(store);
}

void mailbox_arrivals_stop(struct mailbox_store *store)
{
	struct mailbox_arrivals *a = store->arrivals;

	if (a->is_running)
		io_cancel(a->settler);
	while (a->is_running || a->is_making)
		io_yield();
}

void mailbox_arrivals_end(struct mailbox_store *store)
{
	struct mailbox_arrivals *a = store->arrivals;
	bool ok = mailbox_arrivals_retire(store);

	while (!list_is_empty(&a->batches))
		free_batch(batch_at(a->batches.next));
	/* The index says it for as long as the file is there. */
	if (ok && a->list.fd >= 0 && say_none(a))
		arriving_drop(&a->list);
	else if (!ok)
		log_warning("%s: messages that were appended have no files "
			"yet: the next process makes them", store->path);
	arriving_leave(&a->list);
	free(a);
	store->arrivals = NULL;
}
