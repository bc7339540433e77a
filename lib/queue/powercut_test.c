/*
 * queue/powercut_test - what was acknowledged is found again after a power
 * cut at any moment.
 *
 * A run plays cleanup and qmgr on a model disk by the calls that the daemons
 * use, keeps a ledger of what was promised, lets the disk die at a random
 * operation, cuts the power, and starts again from what is left. Then each
 * flush in turn is disabled, and "done" is written too early: each time the
 * ledger has to notice.
 */
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "queue/disk_model.h"
#include "queue/journal.h"
#include "queue/large.h"
#include "queue/serial.h"
#include "queue/store.h"

enum {
	MESSAGES_MOST = 200,
	RECIPIENTS_MOST = 3,
	STEPS = 80,
	RUNS = 600,
	LARGE_OCTETS = 9000, /* small ones are enough for a model */
};

static const struct slot_class small_classes[] = {
	{ 8 * 1024, 4 },
	{ 32 * 1024, 2 },
};

/* What was promised about a message. */
struct entry {
	uint64_t serial;
	struct str id;
	size_t octets;
	bool is_large;
	size_t recipients;
	bool acknowledged;
	bool delivered[RECIPIENTS_MOST];
	bool marked[RECIPIENTS_MOST];
	bool done_flushed[RECIPIENTS_MOST]; /* must not be repeated */
	bool deleted; /* asked for: may be gone */
	bool is_held; /* was reported */
	bool over, over_flushed;
	struct stored *stored; /* qmgr has it */
};

struct world {
	struct arena *arena;
	struct disk *disk;
	struct large_folder large;
	struct serials serials;
	struct journal *journal;
	struct store store;
	struct entry entries[MESSAGES_MOST];
	size_t count;
	uint64_t kept; /* a serial that a session holds: 0 none */
	uint64_t spare; /* whose file in large/ may be used again: 0 none */
	unsigned random;
	bool early_done;     /* the fault: marks before the delivery */
	bool early_spare;    /* the fault: files before the mark is flushed */
	const char *broken;  /* a promise, or NULL */
};

static unsigned pick(struct world *world, unsigned below)
{
	world->random = world->random * 1103515245u + 12345u;
	return (world->random >> 8) % below;
}

static void freed(void *context, const struct place *place)
{
	struct world *world = context;

	journal_free(world->journal, place);
}

/* One at a time, so that some are removed and some used again. */
static bool takes_file(void *context, const struct place *place)
{
	struct world *world = context;

	(void)place;
	return !world->spare;
}

static void freed_file(void *context, const struct place *place)
{
	struct world *world = context;

	journal_free(world->journal, place);
	world->spare = place->serial;
}

/* Every other qmgr gathers its marks, as the real one does. */
static bool begin(struct world *world)
{
	bool done = serials_open(&world->serials, world->disk) &&
		journal_open(&world->journal, world->disk, small_classes,
			COUNT(small_classes)) &&
		store_open(&world->store, world->disk, false, freed, world);

	large_folder_init(&world->large, world->disk);
	if (pick(world, 2))
		world->large.group.share_from = 1;
	world->store.is_late = pick(world, 2);
	world->store.takes_file = takes_file;
	world->store.freed_file = freed_file;
	return done;
}

/* The processes are gone; their descriptors with them. */
static void forget(struct world *world)
{
	journal_close(world->journal);
	store_close(&world->store);
	serials_close(&world->serials);
	for (size_t i = 0; i < world->count; i++)
		world->entries[i].stored = NULL;
}

/* Content that tells which message it is of. */
static struct str content_of(struct world *world, const struct entry *entry)
{
	char *octets = arena_alloc(world->arena, entry->octets);

	for (size_t i = 0; i < entry->octets; i++)
		octets[i] = (char)('a' + (entry->serial + i / 7) % 26);
	return str_of(octets, entry->octets);
}

static int make_large(struct world *world, uint64_t serial, bool *is_again)
{
	uint64_t spare = world->spare;
	int fd = -1;

	world->spare = 0;
	if (spare)
		fd = large_again(world->disk, spare, serial);
	*is_again = fd >= 0;
	return *is_again ? fd : large_create(world->disk, serial);
}

static bool write_large(struct world *world, const struct entry *entry)
{
	struct str content = content_of(world, entry);
	bool is_again, done;
	int fd = make_large(world, entry->serial, &is_again);
	uint64_t mark = large_mark(&world->large);

	if (fd < 0)
		return false;
	done = disk_write_all(world->disk, fd, content.p, content.len, 0);
	disk_close(world->disk, &fd);
	return done && large_seal(&world->large, entry->serial, mark,
			       content.len, is_again, NULL);
}

/* Sessions hold serials: they come to slots in any order. */
static bool take_serial(struct world *world, uint64_t *serial)
{
	if (world->kept && pick(world, 3) == 0) {
		*serial = world->kept;
		world->kept = 0;
		return true;
	}
	if (world->kept || pick(world, 2) == 0)
		return serials_take(&world->serials, 1, serial);
	if (!serials_take(&world->serials, 2, &world->kept))
		return false;
	*serial = world->kept + 1;
	return true;
}

static struct entry *find_entry(struct world *world, uint64_t serial)
{
	for (size_t i = 0; i < world->count; i++)
		if (world->entries[i].serial == serial)
			return &world->entries[i];
	return NULL;
}

static void submit(struct world *world)
{
	struct entry *entry = &world->entries[world->count];
	struct recipient recipients[RECIPIENTS_MOST] = { 0 };
	struct envelope envelope = { .sender = STR("s@example.org"),
		.recipients = recipients };
	struct message_head head = { 0 };
	auto_buf struct buf octets = { 0 };
	struct place place;
	uint64_t serial;

	if (world->count == MESSAGES_MOST || !take_serial(world, &serial))
		return;
	if (find_entry(world, serial))
		world->broken = "a serial was used twice";
	entry->serial = serial;
	world->count++;
	entry->id = queue_id_text(world->arena, entry->serial,
		world->random % 1000000, false);
	entry->is_large = pick(world, 4) == 0;
	entry->octets = entry->is_large ? LARGE_OCTETS - pick(world, 9000) :
					  1 + pick(world, 20000);
	entry->recipients = 1 + pick(world, RECIPIENTS_MOST);
	for (size_t i = 0; i < entry->recipients; i++)
		recipients[i].address = STR("r@example.org");
	envelope.recipient_count = entry->recipients;
	envelope.queue_id = entry->id;
	head.serial = entry->serial;
	if (entry->is_large && !write_large(world, entry))
		return;
	head.large_octets = entry->is_large ? entry->octets : 0;
	message_format(&octets, &head, &envelope,
		entry->is_large ? STR("") : content_of(world, entry));
	if (!journal_commit(world->journal, buf_str(&octets), entry->serial,
		    &place))
		return;
	entry->acknowledged = true;
	if (store_load_slot(&world->store, world->arena, &place, false,
		    &entry->stored) != STORE_FOUND)
		entry->stored = NULL;
}

/* A message that qmgr has in memory. */
static struct entry *any(struct world *world)
{
	for (unsigned tries = 0; tries < 20 && world->count; tries++) {
		struct entry *entry =
			&world->entries[pick(world, (unsigned)world->count)];

		if (entry->stored && !entry->over && !entry->deleted)
			return entry;
	}
	return NULL;
}

static void deliver(struct world *world)
{
	struct entry *entry = any(world);
	size_t at;

	if (pick(world, 3) == 0)
		store_write_late(&world->store);
	if (!entry || entry->stored->queue == QUEUE_HOLD)
		return;
	at = pick(world, (unsigned)entry->recipients);
	if (entry->stored->done[at])
		return;
	if (world->early_done) {
		(void)!store_done(&world->store, entry->stored,
			(uint32_t)at);
		entry->delivered[at] = pick(world, 2);
		return;
	}
	entry->delivered[at] = true;
	entry->marked[at] =
		store_done(&world->store, entry->stored, (uint32_t)at);
	if (entry->stored->left == 0)
		entry->over = store_over(&world->store, entry->stored, false);
	if (entry->over && entry->is_large && world->early_spare)
		world->spare = entry->serial;
}

static void keep(struct world *world)
{
	struct entry *entry = any(world);
	enum queue_name queue = pick(world, 3) ? QUEUE_DEFERRED : QUEUE_HOLD;

	if (!entry || entry->stored->left == 0)
		return;
	for (size_t i = 0; i < entry->recipients; i++)
		if (!entry->stored->done[i])
			entry->stored->reasons[i] = (struct reason){
				.wall_us = 1,
				.status = STATUS(451, 4, 0, "later") };
	/* Whatever comes out, it may be in either from now on. */
	entry->is_held = false;
	if (store_keep(&world->store, entry->stored, queue))
		entry->is_held = queue == QUEUE_HOLD;
}

static void drop(struct world *world)
{
	struct entry *entry = any(world);

	if (!entry)
		return;
	entry->deleted = true;
	if (store_over(&world->store, entry->stored, true))
		entry->over = entry->over_flushed = true;
}

static void flush(struct world *world)
{
	bool over[MESSAGES_MOST], done[MESSAGES_MOST][RECIPIENTS_MOST];

	for (size_t i = 0; i < world->count; i++) {
		struct entry *entry = &world->entries[i];

		over[i] = entry->over;
		for (size_t k = 0; k < entry->recipients; k++)
			done[i][k] = entry->delivered[k] && entry->marked[k];
	}
	store_flush(&world->store);
	if (world->store.dirty)
		return; /* it says that it was not all */
	for (size_t i = 0; i < world->count; i++) {
		struct entry *entry = &world->entries[i];

		entry->over_flushed |= over[i];
		for (size_t k = 0; k < entry->recipients; k++)
			entry->done_flushed[k] |= done[i][k];
	}
}

/* ---- after the power cut ---- */

static struct str whole_content(struct world *world, struct stored *stored)
{
	char *octets;
	bool done;
	int fd;

	if (!stored->head.large_octets)
		return stored->content;
	fd = store_large(&world->store, stored);
	if (fd < 0)
		return STR_NONE;
	octets = arena_alloc(world->arena, stored->head.large_octets);
	done = disk_read_all(world->disk, fd, octets,
		stored->head.large_octets, 0);
	disk_close(world->disk, &fd);
	return done ? str_of(octets, stored->head.large_octets) : STR_NONE;
}

static void found(struct world *world, struct stored *stored)
{
	struct entry *entry = find_entry(world, stored->head.serial);

	if (!entry) {
		world->broken = "a message that nobody sent";
		return;
	}
	/* One that was not acknowledged may be there, or half of it. */
	if (entry->acknowledged && !entry->deleted &&
		!str_eq(whole_content(world, stored),
			content_of(world, entry)))
		world->broken = "the content is another";
	if (entry->over_flushed)
		world->broken = "a message that was over came back";
	if (entry->is_held && stored->queue != QUEUE_HOLD)
		world->broken = "a message on hold is not";
	entry->stored = stored;
}

static void found_place(void *context, const struct place *place)
{
	struct world *world = context;
	struct stored *stored;

	if (store_load_slot(&world->store, world->arena, place, true,
		    &stored) == STORE_FOUND)
		found(world, stored);
}

static void find_files(struct world *world, enum queue_name queue)
{
	struct spool_ids ids;

	if (!spool_list(world->disk, world->arena, queue, true, &ids))
		world->broken = "a queue cannot be listed";
	for (size_t i = 0; i < ids.count; i++) {
		struct stored *stored;
		enum store_result result = store_load_file(&world->store,
			world->arena, queue, ids.ids[i], &stored);

		if (result == STORE_FOUND)
			found(world, stored);
		else if (result == STORE_CORRUPT)
			world->broken = "a damaged file";
	}
}

static void check(struct world *world, const struct entry *entry)
{
	for (size_t i = 0; i < entry->recipients; i++) {
		if (!entry->acknowledged || entry->deleted)
			continue;
		if (!entry->delivered[i] &&
			(!entry->stored || entry->stored->done[i]))
			world->broken = "lost";
		if (entry->done_flushed[i] && entry->stored &&
			!entry->stored->done[i])
			world->broken = "a delivery that was flushed is "
				"repeated";
	}
}

static void recover(struct world *world)
{
	forget(world);
	world->kept = world->spare = 0;
	disk_model_power_cut(world->disk);
	if (!begin(world)) {
		world->broken = "it does not start";
		return;
	}
	find_files(world, QUEUE_DEFERRED);
	find_files(world, QUEUE_HOLD);
	if (!store_scan(&world->store, true, found_place, world))
		world->broken = "the journal cannot be read";
	for (size_t i = 0; i < world->count; i++) {
		check(world, &world->entries[i]);
		/* What was not flushed in the last life is not by this one. */
		world->entries[i].over = world->entries[i].over_flushed;
		memset(world->entries[i].marked, 0,
			sizeof(world->entries[i].marked));
	}
}

static void (*const steps[])(struct world *world) = {
	submit, submit, submit, deliver, deliver, deliver, deliver, keep,
	flush, flush, drop,
};

/* A life until the power cut, thrice on the same disk. NULL: all was kept. */
static const char *run(unsigned seed, enum flush_kind disabled, bool early_done,
	bool early_spare)
{
	struct world *world = mem_new(1, sizeof(*world));
	const char *broken;

	world->arena = arena_new(0);
	world->random = seed * 2654435761u;
	world->disk = disk_model_new(seed + 1);
	world->early_done = early_done;
	world->early_spare = early_spare;
	disk_model_disable(world->disk, disabled);
	if (!begin(world))
		world->broken = "it does not start";
	for (int life = 0; life < 3 && !world->broken; life++) {
		unsigned count = pick(world, STEPS);

		disk_model_die_in(world->disk, (int)pick(world, 600));
		for (unsigned i = 0; i < count && !world->broken; i++)
			steps[pick(world, COUNT(steps))](world);
		if (!world->broken)
			recover(world);
	}
	broken = world->broken;
	forget(world);
	disk_model_kill(world->disk);
	disk_model_free(world->disk);
	arena_free(world->arena);
	free(world);
	return broken;
}

/* ---- kills, without a power cut ---- */

static size_t large_files(struct world *world)
{
	struct disk_names names;

	return disk_list(world->disk, world->arena, "large", &names)
		? names.count : 0;
}

static void settle(struct world *world)
{
	forget(world);
	assert_true(begin(world));
	assert_true(store_scan(&world->store, true, found_place, world));
	store_flush(&world->store);
	assert_false(world->store.dirty);
}

/* The slot is over, and qmgr dies before it removes the content; or the
 * message has moved to a file meanwhile, and the content is that file's. */
static void content_left_by_a_kill_goes(void **state)
{
	(void)state;
	for (int queue = 0; queue < 3; queue++) {
		struct world *world = mem_new(1, sizeof(*world));
		struct entry *entry;

		world->arena = arena_new(0);
		world->disk = disk_model_new(1);
		assert_true(begin(world));
		do {
			submit(world);
			entry = &world->entries[world->count - 1];
		} while (!entry->is_large || !entry->stored);
		assert_int_equal(large_files(world), 1);
		if (queue > 0)
			assert_true(store_keep(&world->store, entry->stored,
				queue == 1 ? QUEUE_DEFERRED : QUEUE_HOLD));
		else
			assert_true(store_over(&world->store, entry->stored,
				false));
		store_write_late(&world->store);
		settle(world);
		settle(world);
		assert_int_equal(large_files(world), queue > 0);
		forget(world);
		disk_model_free(world->disk);
		arena_free(world->arena);
		free(world);
	}
}

/* ---- while others write ---- */

static struct {
	struct world *world;
	struct entry *entry; /* another message, of which a recipient is done */
	int (*sync)(struct disk *disk, int fd);
	int (*sync_dir)(struct disk *disk, const char *path);
	bool fails;
} others;

static void do_other(void)
{
	assert_true(store_done(&others.world->store, others.entry->stored, 0));
}

static int busy_sync(struct disk *disk, int fd)
{
	int result = others.sync(disk, fd);

	do_other();
	errno = EIO;
	return others.fails ? -1 : result;
}

static int busy_sync_dir(struct disk *disk, const char *path)
{
	int result = others.sync_dir(disk, path);

	do_other();
	errno = EIO;
	return others.fails ? -1 : result;
}

static struct entry *next_stored(struct world *world)
{
	do
		submit(world);
	while (!world->entries[world->count - 1].stored);
	return &world->entries[world->count - 1];
}

static bool remove_while_others_write(bool is_file, bool fails)
{
	struct world *world = mem_new(1, sizeof(*world));
	struct entry *entry;
	bool removed;

	world->arena = arena_new(0);
	world->disk = disk_model_new(1);
	assert_true(begin(world));
	entry = next_stored(world);
	others.world = world;
	others.entry = next_stored(world);
	others.sync = world->disk->sync;
	others.sync_dir = world->disk->sync_dir;
	others.fails = fails;
	if (is_file)
		assert_true(store_keep(&world->store, entry->stored,
			QUEUE_DEFERRED));
	world->disk->sync = busy_sync;
	world->disk->sync_dir = busy_sync_dir;
	removed = store_over(&world->store, entry->stored, true);
	assert_true(world->store.dirty);
	world->disk->sync = others.sync;
	world->disk->sync_dir = others.sync_dir;
	forget(world);
	disk_model_free(world->disk);
	arena_free(world->arena);
	free(world);
	return removed;
}

/* That there is more to flush says nothing of what was. */
static void others_hide_no_removal(void **state)
{
	(void)state;
	for (int is_file = 0; is_file < 2; is_file++) {
		assert_true(remove_while_others_write(is_file, false));
		assert_false(remove_while_others_write(is_file, true));
	}
}

static void quiet(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void nothing_is_lost(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= RUNS; seed++) {
		const char *broken = run(seed, FLUSH_NONE, false, false);

		if (broken)
			fail_msg("run %u: %s", seed, broken);
	}
}

static const struct {
	enum flush_kind kind;
	const char *name;
} flushes[] = {
	{ FLUSH_SLOT, "slots" },
	{ FLUSH_MARKS, "marks" },
	{ FLUSH_SERIAL, "the serial" },
	{ FLUSH_FILE, "files in deferred and hold" },
	{ FLUSH_LARGE, "large content" },
	{ FLUSH_JOURNAL_DIR, "the journal's directory" },
	{ FLUSH_QUEUE_DIR, "the directories of deferred and hold" },
	{ FLUSH_LARGE_DIR, "the directory of large content" },
	{ FLUSH_ALL, "everything, for several large ones" },
};

static const char *find_trouble(enum flush_kind disabled, bool early_done,
	bool early_spare)
{
	const char *broken = NULL;

	for (unsigned seed = 1; seed <= RUNS && !broken; seed++)
		broken = run(seed, disabled, early_done, early_spare);
	return broken;
}

/* The test itself is worth something: it notices each missing flush. */
static void every_flush_is_needed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(flushes); i++) {
		const char *broken = find_trouble(flushes[i].kind, false,
			false);

		if (!broken)
			fail_msg("without the flush of %s nothing was noticed",
				flushes[i].name);
		print_message("without the flush of %s: %s\n",
			flushes[i].name, broken);
	}
}

static void early_done_is_noticed(void **state)
{
	(void)state;
	assert_non_null(find_trouble(FLUSH_NONE, true, false));
}

/* The slot comes back, and its content is another message's by then. */
static void early_use_again_is_noticed(void **state)
{
	const char *broken = find_trouble(FLUSH_NONE, false, true);

	(void)state;
	assert_non_null(broken);
	assert_string_equal(broken, "the content is another");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_left_by_a_kill_goes),
		cmocka_unit_test(others_hide_no_removal),
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(every_flush_is_needed),
		cmocka_unit_test(early_done_is_noticed),
		cmocka_unit_test(early_use_again_is_noticed),
	};

	log_sink(quiet);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
