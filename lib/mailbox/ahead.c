#include "mailbox/ahead.h"

#include <errno.h>
#include <unistd.h>

#include "imap/crlf.h"
#include "io/helper.h"
#include "mailbox/store.h"

enum {
	COUNT_LEAST = 4, /* for fewer it is not worth its while */
	DOTS = 16,       /* more than one octet of so many: not from here */
	PART = 16,       /* more of the mailbox: all names are read at once */
	BATCH_MOST = 32,
	BATCH_OCTETS = 256 * 1024,
};

struct item {
	uint32_t uid;
	struct mailbox_entry entry; /* a copy: the mailbox may change */
	char *octets;
	size_t room, len;
	size_t most;   /* octets of the file, and one more */
	uint64_t size; /* with CRLF, as the index knows it */
	bool is_read;
};

/* While it is under way it belongs to the helper, but for its job. */
struct batch {
	struct arena *arena;
	const struct mailbox_place *place;
	const struct mailbox_driver *driver;
	const char *mailbox;
	enum mailbox_ahead_form form;
	char *stored; /* room for one of them, if they are converted */
	struct item items[BATCH_MOST];
	size_t count;
	struct io_job job;
	bool is_under_way;
};

struct mailbox_ahead {
	struct arena *arena;
	struct mailbox *mailbox;
	const uint32_t *uids;
	size_t count, next; /* the first that is in no batch yet */
	size_t near;        /* it stands there in the mailbox, or behind */
	struct batch batches[2];
	unsigned now; /* the batch that messages are taken from */
	size_t at;    /* in it: where the last one was found */
};

/* ---- in the helper: nothing but these messages' files ---- */

/* False: it is not as long as the index says. */
static bool convert(const struct batch *batch, struct item *item,
	struct str stored)
{
	struct imap_crlf crlf = imap_crlf_of(stored);

	crlf.dots = batch->form == MAILBOX_AHEAD_DOTTED;
	item->len = imap_crlf_take(&crlf, item->octets, item->room);
	return crlf.rest.len == 0 && item->len - crlf.added == item->size;
}

/* Where the entries of a batch lie: looked for once. */
struct folders {
	int cur, new;
};

static int open_item(const struct batch *batch, struct folders *folders,
	const struct item *item)
{
	int *folder = item->entry.is_new ? &folders->new : &folders->cur;

	if (*folder < 0)
		*folder = batch->driver->open_folder(batch->place,
			batch->mailbox, item->entry.is_new);
	return *folder < 0 ? -1 :
		batch->driver->open_in(*folder, &item->entry);
}

static void read_item(const struct batch *batch, struct folders *folders,
	struct item *item)
{
	auto_close int fd = open_item(batch, folders, item);
	char *into = batch->stored ? batch->stored : item->octets;
	ssize_t got;

	if (fd < 0)
		return;
	/* One octet of room is left when it has the size that is known. */
	got = read(fd, into, item->most);
	if (got <= 0 || (size_t)got == item->most)
		return;
	item->len = (size_t)got;
	item->is_read = batch->stored ?
		convert(batch, item, str_of(into, item->len)) :
		imap_crlf_octets(str_of(into, item->len)) == item->size;
}

static int read_batch(void *context)
{
	struct batch *batch = context;
	struct folders folders = { -1, -1 };

	for (size_t i = 0; i < batch->count; i++)
		read_item(batch, &folders, &batch->items[i]);
	if (folders.cur >= 0)
		close(folders.cur);
	if (folders.new >= 0)
		close(folders.new);
	return 0;
}

/* ---- in the fiber ---- */

static void add_item(struct batch *batch, const struct mailbox_message *m)
{
	struct item *item = &batch->items[batch->count++];
	struct mailbox_entry entry = mailbox_entry_of(m);

	*item = (struct item){ .uid = m->is.uid, .entry = entry,
		.size = m->is.size, .most = (size_t)m->is.size + 1 };
	item->room = item->most + IMAP_CRLF_SPARE;
	if (batch->form == MAILBOX_AHEAD_DOTTED)
		item->room += item->most / DOTS;
	item->entry.name = arena_cstr(batch->arena, str_from(entry.name));
	item->octets = arena_octets_new(batch->arena, item->room);
}

static size_t largest(const struct batch *batch)
{
	size_t most = 0;

	for (size_t i = 0; i < batch->count; i++)
		if (batch->items[i].most > most)
			most = batch->items[i].most;
	return most;
}

/* As many of the next ones as fit; those of unknown size are passed over. */
static void begin_batch(struct mailbox_ahead *ahead, struct batch *batch)
{
	size_t octets = 0, near = ahead->near;

	arena_reset(batch->arena);
	batch->count = 0;
	batch->mailbox = arena_cstr(batch->arena,
		str_from(ahead->mailbox->name));
	for (; ahead->next < ahead->count && batch->count < BATCH_MOST;
		ahead->next++) {
		const struct mailbox_message *m = mailbox_find_near(
			ahead->mailbox, ahead->uids[ahead->next], &near);

		if (!m || !m->name || m->is.size > BATCH_OCTETS)
			continue;
		if (octets + m->is.size > BATCH_OCTETS)
			break;
		octets += (size_t)m->is.size;
		add_item(batch, m);
	}
	ahead->near = near;
	batch->stored = batch->form == MAILBOX_AHEAD_STORED ? NULL :
		arena_octets_new(batch->arena, largest(batch));
	batch->is_under_way = batch->count > 0;
	if (batch->is_under_way)
		io_job_begin(&batch->job, read_batch, batch);
}

static void end_batch(struct batch *batch)
{
	if (batch->is_under_way)
		io_job_end(&batch->job);
	batch->is_under_way = false;
}

struct mailbox_ahead *mailbox_ahead_begin(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, enum mailbox_ahead_form form)
{
	struct mailbox_ahead *ahead;
	struct arena *arena;

	if (count < COUNT_LEAST || !io_has_helpers())
		return NULL;
	/* If it cannot be, those that are not known are passed over. */
	if (count > mailbox->count / PART)
		(void)!mailbox_complete(mailbox);
	arena = arena_new(0);
	ahead = arena_new_of(arena, struct mailbox_ahead);
	ahead->arena = arena;
	ahead->mailbox = mailbox;
	ahead->uids = uids;
	ahead->count = count;
	for (size_t i = 0; i < COUNT(ahead->batches); i++) {
		struct batch *batch = &ahead->batches[i];

		batch->arena = arena_child(arena);
		batch->place = &mailbox->store->place;
		batch->driver = mailbox->store->driver;
		batch->form = form;
		begin_batch(ahead, batch);
	}
	return ahead;
}

static const struct item *find_item(struct mailbox_ahead *ahead, uint32_t uid)
{
	const struct batch *batch = &ahead->batches[ahead->now];

	for (size_t i = ahead->at; i < batch->count; i++)
		if (batch->items[i].uid == uid) {
			ahead->at = i + 1;
			return &batch->items[i];
		}
	return NULL;
}

/* The first batch is read up: it becomes the last. */
static void next_batch(struct mailbox_ahead *ahead)
{
	begin_batch(ahead, &ahead->batches[ahead->now]);
	ahead->now = !ahead->now;
	ahead->at = 0;
}

/* Is it in the batch behind this one? Asked of what only the fiber writes. */
static bool is_next(const struct mailbox_ahead *ahead, uint32_t uid)
{
	const struct batch *batch = &ahead->batches[!ahead->now];

	for (size_t i = 0; i < batch->count; i++)
		if (batch->items[i].uid == uid)
			return true;
	return false;
}

bool mailbox_ahead_find(struct mailbox_ahead *ahead, uint32_t uid,
	struct str *message, uint64_t *crlf_octets)
{
	const struct item *item;

	if (!ahead)
		return false;
	end_batch(&ahead->batches[ahead->now]);
	item = find_item(ahead, uid);
	if (!item && is_next(ahead, uid)) {
		next_batch(ahead);
		end_batch(&ahead->batches[ahead->now]);
		item = find_item(ahead, uid);
	}
	if (!item || !item->is_read)
		return false;
	*message = str_of(item->octets, item->len);
	*crlf_octets = item->size;
	return true;
}

void mailbox_ahead_end(struct mailbox_ahead *ahead)
{
	if (!ahead)
		return;
	for (size_t i = 0; i < COUNT(ahead->batches); i++)
		end_batch(&ahead->batches[i]);
	arena_free(ahead->arena);
}
