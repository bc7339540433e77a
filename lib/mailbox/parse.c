#include "mailbox/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/helper.h"
#include "mailbox/store.h"

enum {
	COUNT_LEAST = 4,    /* in a batch: for fewer it is not worth its while */
	BATCH_MOST = 64,    /* messages; those that are kept count, too */
	BATCHES = 3,        /* one is taken from, the others are made */
	USUAL = 64 * 1024,  /* octets: read at once */
	LARGE = 1024 * 1024, /* what is larger is not for here */
};

struct item {
	size_t at; /* in the list of uids */
	uint32_t uid;
	struct mailbox_entry entry; /* a copy: the mailbox may change */
	struct str record;          /* NONE: not from here */
};

/* While it is under way all of it belongs to the helper, but for its job. */
struct batch {
	struct arena *arena, *scratch;
	const struct mailbox_place *place;
	const struct mailbox_driver *driver;
	const char *mailbox;
	char *octets;     /* USUAL of them */
	size_t from, end; /* what it covers of the list */
	struct item items[BATCH_MOST];
	size_t count;
	bool with_id;
	bool is_cold; /* the system was asked for all of it */
	struct io_job job;
	bool is_under_way;
};

struct mailbox_parse {
	struct arena *arena;
	struct mailbox *mailbox;
	const uint32_t *uids;
	size_t count;
	bool with_id, has_begun;
	size_t next; /* the first that is in no batch yet */
	struct batch batches[BATCHES];
	unsigned now; /* the batch that is taken from */
	size_t taken; /* of it: where the last one was found */
};

/* ---- in the helper: nothing but these messages' files ---- */

static int open_item(const struct batch *batch, const struct item *item)
{
	return batch->driver->open(batch->place, batch->mailbox,
		&item->entry);
}

/* From a disk and not from memory: so that it looks for all of them at once,
 * and nobody waits for each. */
static void ask_for_rest(struct batch *batch, const struct item *from)
{
	batch->is_cold = true;
	for (; from < batch->items + batch->count; from++) {
		auto_close int fd = open_item(batch, from);

		if (fd >= 0)
			(void)!posix_fadvise(fd, 0, USUAL,
				POSIX_FADV_WILLNEED);
	}
}

/* As read(2). */
static ssize_t read_first(struct batch *batch, const struct item *item, int fd)
{
	const struct iovec room = { .iov_base = batch->octets,
		.iov_len = USUAL };
	ssize_t got = batch->is_cold ? -1 :
		preadv2(fd, &room, 1, -1, RWF_NOWAIT);

	if (got > 0)
		return got;
	if (!batch->is_cold && got < 0 && errno == EAGAIN)
		ask_for_rest(batch, item + 1);
	return read(fd, batch->octets, USUAL);
}

/* The rest of it, behind `len` octets that were read. */
static bool read_rest(int fd, char *octets, size_t room, size_t *len)
{
	ssize_t got = 1;

	while (got > 0 && *len < room) {
		got = read(fd, octets + *len, room - *len);
		if (got > 0)
			*len += (size_t)got;
	}
	return got == 0;
}

static bool read_item(struct batch *batch, const struct item *item,
	struct str *message)
{
	auto_close int fd = open_item(batch, item);
	ssize_t got = fd < 0 ? -1 : read_first(batch, item, fd);
	size_t len = got > 0 ? (size_t)got : 0;
	char *octets;
	struct stat st;

	if (got <= 0)
		return false;
	*message = str_of(batch->octets, 0);
	if (read_rest(fd, batch->octets, USUAL, &len)) {
		message->len = len;
		return true;
	}
	if (len < USUAL || fstat(fd, &st) < 0 || st.st_size < USUAL ||
		st.st_size > LARGE)
		return false;
	octets = arena_octets_new(batch->scratch, (size_t)st.st_size + 1);
	memcpy(octets, batch->octets, len);
	if (!read_rest(fd, octets, (size_t)st.st_size + 1, &len))
		return false;
	*message = str_of(octets, len);
	return true;
}

static int parse_batch(void *context)
{
	struct batch *batch = context;

	for (size_t i = 0; i < batch->count; i++) {
		struct item *item = &batch->items[i];
		struct mailbox_facts facts;
		struct str message;

		if (!read_item(batch, item, &message))
			continue;
		mailbox_facts_make(batch->scratch, message, batch->with_id,
			&facts);
		item->record = mailbox_facts_record(batch->arena, item->uid,
			&facts);
		arena_reset(batch->scratch);
	}
	return 0;
}

/* ---- in the fiber ---- */

static void add_item(struct batch *batch, size_t at,
	const struct mailbox_message *m)
{
	struct item *item = &batch->items[batch->count++];

	*item = (struct item){ .at = at, .uid = m->is.uid,
		.entry = mailbox_entry_of(m) };
	item->entry.name = arena_cstr(batch->arena, str_from(item->entry.name));
}

/* Of the next uids those that are not kept. */
static void choose(struct mailbox_parse *parse, struct batch *batch)
{
	struct mailbox_kept kept;
	struct mailbox_facts facts;

	mailbox_kept_begin(parse->mailbox, &kept);
	batch->from = parse->next;
	while (parse->next < parse->count &&
		parse->next - batch->from < BATCH_MOST) {
		size_t at = parse->next++;
		const struct mailbox_message *m;

		if (mailbox_kept_find(&kept, parse->uids[at], &facts) &&
			mailbox_facts_suffice(&facts, parse->with_id))
			continue;
		m = mailbox_find_whole(parse->mailbox, parse->uids[at]);
		if (m)
			add_item(batch, at, m);
	}
	batch->end = parse->next;
	mailbox_kept_end(&kept);
}

static void begin_batch(struct mailbox_parse *parse, struct batch *batch)
{
	arena_reset(batch->arena);
	batch->count = 0;
	batch->is_cold = false;
	batch->octets = arena_octets_new(batch->arena, USUAL);
	batch->scratch = arena_child(batch->arena);
	batch->mailbox = arena_cstr(batch->arena,
		str_from(parse->mailbox->name));
	choose(parse, batch);
	if (batch->count < COUNT_LEAST)
		batch->count = 0;
	batch->is_under_way = batch->count > 0;
	if (batch->is_under_way)
		io_job_begin(&batch->job, parse_batch, batch);
}

static void end_batch(struct batch *batch)
{
	if (batch->is_under_way)
		io_job_end(&batch->job);
	batch->is_under_way = false;
}

struct mailbox_parse *mailbox_parse_new(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, bool with_id)
{
	struct mailbox_parse *parse;
	struct arena *arena;

	if (count < COUNT_LEAST || !io_has_helpers())
		return NULL;
	arena = arena_new(0);
	parse = arena_new_of(arena, struct mailbox_parse);
	parse->arena = arena;
	parse->mailbox = mailbox;
	parse->uids = uids;
	parse->count = count;
	parse->with_id = with_id;
	return parse;
}

static void begin(struct mailbox_parse *parse, size_t at)
{
	parse->has_begun = true;
	parse->next = at;
	for (size_t i = 0; i < BATCHES; i++) {
		struct batch *batch = &parse->batches[i];

		/* Its own: helpers at work count in no parent of theirs. */
		batch->arena = arena_new(0);
		batch->place = &parse->mailbox->store->place;
		batch->driver = parse->mailbox->store->driver;
		batch->with_id = parse->with_id;
		begin_batch(parse, batch);
	}
}

/* What was taken from becomes the last batch. */
static void next_batch(struct mailbox_parse *parse)
{
	begin_batch(parse, &parse->batches[parse->now]);
	parse->now = (parse->now + 1) % BATCHES;
	parse->taken = 0;
}

bool mailbox_parse_is_behind(struct mailbox_parse *parse, size_t at)
{
	if (!parse)
		return false;
	if (!parse->has_begun)
		begin(parse, at);
	while (at >= parse->batches[parse->now].end &&
		!parse->batches[parse->now].is_under_way)
		next_batch(parse);
	return parse->batches[parse->now].is_under_way;
}

void mailbox_parse_wait(struct mailbox_parse *parse)
{
	end_batch(&parse->batches[parse->now]);
}

bool mailbox_parse_find(struct mailbox_parse *parse, size_t at,
	struct mailbox_facts *facts)
{
	const struct batch *batch;

	if (!parse || !parse->has_begun)
		return false;
	batch = &parse->batches[parse->now];
	for (size_t i = parse->taken; !batch->is_under_way && i < batch->count;
		i++) {
		if (batch->items[i].at != at)
			continue;
		parse->taken = i + 1;
		return !str_is_none(batch->items[i].record) &&
			mailbox_facts_take(parse->mailbox,
				batch->items[i].record, facts);
	}
	return false;
}

void mailbox_parse_end(struct mailbox_parse *parse)
{
	if (!parse)
		return;
	for (size_t i = 0; parse->has_begun && i < BATCHES; i++) {
		end_batch(&parse->batches[i]);
		arena_free(parse->batches[i].arena);
	}
	arena_free(parse->arena);
}
