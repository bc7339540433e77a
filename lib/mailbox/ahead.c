#include "mailbox/ahead.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <unistd.h>

#include "imap/crlf.h"
#include "io/helper.h"
#include "mailbox/store.h"

enum {
	COUNT_LEAST = 4, /* for fewer it is not worth its while */
	DOTS = 16,       /* more than one octet of so many: not from here */
	PART = 16,       /* more of the mailbox: all names are read at once */
	BATCHES = 4,
	BATCH_MOST = 32,
	BATCH_OCTETS = 128 * 1024, /* of more than one */
	ITEM_OCTETS = 256 * 1024,
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

/* It belongs to who has taken it, until it is read. */
struct batch {
	struct arena *arena;
	const struct mailbox_place *place;
	const struct mailbox_driver *driver;
	const char *mailbox;
	enum mailbox_ahead_form form;
	char *stored; /* room for one of them, if they are converted */
	struct item items[BATCH_MOST];
	size_t count;
	atomic_bool is_read;
};

/* Batches have numbers; number n is in batches[n % BATCHES]. */
struct mailbox_ahead {
	struct arena *arena;
	struct mailbox *mailbox;
	const uint32_t *uids;
	size_t count, next; /* the first that is in no batch yet */
	size_t near;        /* it stands there in the mailbox, or behind */
	struct batch batches[BATCHES];
	unsigned now; /* the batch that messages are taken from */
	size_t at;    /* in it: where the last one was found */
	bool is_cold; /* the kernel has not all of them in memory */
	struct io_job job;
	bool has_job;
	/* What the helper looks at, too. */
	atomic_uint made;  /* the number of the next batch that is made */
	atomic_uint taken; /* that of the next one that is read */
	atomic_bool is_awaited;
};

/* ---- in the helper or the fiber: nothing but these messages' files ---- */

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

/* EAGAIN: it would have to wait for the disk. Where the file system cannot tell
 * (EOPNOTSUPP), too. */
static ssize_t read_file(int fd, char *into, size_t most, bool may_wait)
{
	struct iovec whole = { .iov_base = into, .iov_len = most };

	return may_wait ? pread(fd, into, most, 0) :
		preadv2(fd, &whole, 1, 0, RWF_NOWAIT);
}

/* False: it would have to wait. */
static bool read_item(const struct batch *batch, struct folders *folders,
	struct item *item, bool may_wait)
{
	auto_close int fd = open_item(batch, folders, item);
	char *into = batch->stored ? batch->stored : item->octets;
	ssize_t got;

	if (fd < 0)
		return true;
	/* One octet of room is left when it has the size that is known. */
	got = read_file(fd, into, item->most, may_wait);
	if (got < 0 && !may_wait)
		return false;
	if (got <= 0 || (size_t)got == item->most)
		return true;
	item->len = (size_t)got;
	item->is_read = batch->stored ?
		convert(batch, item, str_of(into, item->len)) :
		imap_crlf_octets(str_of(into, item->len)) == item->size;
	return true;
}

/* False: one of them would have to wait. */
static bool read_batch(struct batch *batch, bool may_wait)
{
	struct folders folders = { -1, -1 };
	bool ok = true;

	for (size_t i = 0; ok && i < batch->count; i++)
		ok = read_item(batch, &folders, &batch->items[i], may_wait);
	if (folders.cur >= 0)
		close(folders.cur);
	if (folders.new >= 0)
		close(folders.new);
	atomic_store(&batch->is_read, ok);
	return ok;
}

/* The next one that nobody reads yet; NULL: there is none. */
static struct batch *take_batch(struct mailbox_ahead *ahead)
{
	unsigned number = atomic_load(&ahead->taken);

	do
		if (number == atomic_load(&ahead->made))
			return NULL;
	while (!atomic_compare_exchange_weak(&ahead->taken, &number,
		number + 1));
	return &ahead->batches[number % BATCHES];
}

/* ---- in a helper ---- */

static int read_on(void *context)
{
	struct mailbox_ahead *ahead = context;
	struct batch *batch;

	do {
		batch = take_batch(ahead);
		if (batch)
			read_batch(batch, true);
	} while (batch && !atomic_load(&ahead->is_awaited));
	return 0;
}

static int read_one(void *context)
{
	read_batch(context, true);
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

static bool is_full(const struct batch *batch, size_t octets)
{
	return batch->count == BATCH_MOST ||
		(batch->count > 0 && octets > BATCH_OCTETS);
}

/* As many of the next ones as fit; those of unknown size are passed over. */
static void make_batch(struct mailbox_ahead *ahead)
{
	unsigned number = atomic_load(&ahead->made);
	struct batch *batch = &ahead->batches[number % BATCHES];
	size_t octets = 0, near = ahead->near;

	arena_reset(batch->arena);
	batch->count = 0;
	batch->mailbox = arena_cstr(batch->arena,
		str_from(ahead->mailbox->name));
	for (; ahead->next < ahead->count; ahead->next++) {
		const struct mailbox_message *m = mailbox_find_near(
			ahead->mailbox, ahead->uids[ahead->next], &near);

		if (!m || !m->name || m->is.size > ITEM_OCTETS)
			continue;
		octets += (size_t)m->is.size;
		if (is_full(batch, octets))
			break;
		add_item(batch, m);
	}
	ahead->near = near;
	batch->stored = batch->form == MAILBOX_AHEAD_STORED ? NULL :
		arena_octets_new(batch->arena, largest(batch));
	atomic_store(&batch->is_read, false);
	atomic_store(&ahead->made, number + 1);
}

static void end_job(struct mailbox_ahead *ahead)
{
	if (!ahead->has_job)
		return;
	atomic_store(&ahead->is_awaited, true);
	io_job_end(&ahead->job);
	atomic_store(&ahead->is_awaited, false);
	ahead->has_job = false;
}

/* Is there a batch for a helper? Not the one that the fiber needs now: it reads
 * that itself, if it can. */
static bool has_work(const struct mailbox_ahead *ahead)
{
	unsigned number = atomic_load(&ahead->taken);

	if (number == ahead->now && !ahead->is_cold)
		number++;
	return number < atomic_load(&ahead->made) &&
		ahead->batches[number % BATCHES].count > 0;
}

static void begin_job(struct mailbox_ahead *ahead)
{
	if (ahead->has_job && io_job_is_done(&ahead->job))
		end_job(ahead);
	if (ahead->has_job || !has_work(ahead))
		return;
	io_job_begin(&ahead->job, read_on, ahead);
	ahead->has_job = true;
}

/* While a helper reads one of them, another one is read here: unless the disk
 * has to be waited for, as nobody else could run meanwhile. */
static bool read_here(struct mailbox_ahead *ahead)
{
	struct batch *batch = ahead->is_cold ? NULL : take_batch(ahead);

	if (batch && !read_batch(batch, false)) {
		ahead->is_cold = true;
		io_help(read_one, batch);
	}
	return batch != NULL;
}

/* The batch that is next, once it is read. */
static struct batch *get_ready(struct mailbox_ahead *ahead)
{
	struct batch *batch = &ahead->batches[ahead->now % BATCHES];

	begin_job(ahead);
	while (!atomic_load(&batch->is_read)) {
		if (read_here(ahead))
			continue;
		end_job(ahead);
		begin_job(ahead);
	}
	return batch;
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
		make_batch(ahead);
	}
	return ahead;
}

/* Asked of what only the fiber writes. */
static bool has_item(const struct batch *batch, size_t from, uint32_t uid)
{
	for (size_t i = from; i < batch->count; i++)
		if (batch->items[i].uid == uid)
			return true;
	return false;
}

static const struct item *find_item(struct mailbox_ahead *ahead, uint32_t uid)
{
	const struct batch *batch = get_ready(ahead);

	for (size_t i = ahead->at; i < batch->count; i++)
		if (batch->items[i].uid == uid) {
			ahead->at = i + 1;
			return &batch->items[i];
		}
	return NULL;
}

bool mailbox_ahead_takes_back(const struct mailbox_ahead *ahead, uint32_t uid)
{
	return ahead &&
		!has_item(&ahead->batches[ahead->now % BATCHES], ahead->at,
			uid) &&
		has_item(&ahead->batches[(ahead->now + 1) % BATCHES], 0, uid);
}

/* The first batch is read up: it becomes the last. */
static void next_batch(struct mailbox_ahead *ahead)
{
	(void)get_ready(ahead); /* nobody has it now */
	make_batch(ahead);
	ahead->now++;
	ahead->at = 0;
}

bool mailbox_ahead_find(struct mailbox_ahead *ahead, uint32_t uid,
	struct str *message, uint64_t *crlf_octets)
{
	const struct item *item;

	if (!ahead)
		return false;
	if (mailbox_ahead_takes_back(ahead, uid))
		next_batch(ahead);
	item = find_item(ahead, uid);
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
	end_job(ahead);
	arena_free(ahead->arena);
}
