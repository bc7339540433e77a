/*
 * A file of digests under use: what was put is found, and when half of it is
 * out of date the rest moves to a new one.
 */
#include "qmgr/digest.c"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"
#include "io/fiber.h"
#include "queue/part.h"

enum { ENTRIES = 20, RECIPIENTS = 300, ROUNDS = 30 };

struct qmgr qmgr;

static struct arena *arena;
static struct entry *entries[ENTRIES];

static struct str id_of(int number)
{
	return queue_id_text(arena, (uint64_t)number + 1, 0, false);
}

/* With so many recipients, `round` in their reasons. */
static struct stored *make_stored(int number, int round)
{
	struct stored *stored = arena_new_of(arena, struct stored);
	struct envelope *envelope = &stored->envelope;

	envelope->queue_id = id_of(number);
	envelope->sender = STR("s@example.net");
	envelope->recipients = arena_array(arena, RECIPIENTS,
		sizeof(*envelope->recipients));
	envelope->recipient_count = RECIPIENTS;
	stored->done = arena_array(arena, RECIPIENTS, sizeof(*stored->done));
	stored->reasons = arena_array(arena, RECIPIENTS,
		sizeof(*stored->reasons));
	for (int i = 0; i < RECIPIENTS; i++) {
		((struct recipient *)(uintptr_t)envelope->recipients)[i] =
			(struct recipient){ .address =
				arena_fmt(arena, "r%d@example.com", i) };
		stored->reasons[i] = (struct reason){ .wall_us = 1,
			.status = { 450, 4, 1, arena_fmt(arena, "round %d, "
				"a reason that is somewhat longer", round) } };
	}
	stored->done[0] = true;
	return stored;
}

/* It is the one of that round, without the recipient that is done. */
static void assert_digest(struct digest_reader *reader, int number, int round)
{
	struct str digest;
	struct part_item item;
	int recipients = 0;

	assert_true(digest_find(reader, entries[number], &digest));
	assert_true(part_take(&digest, &item));
	assert_int_equal(item.kind, MSG_queue_entry);
	assert_str(item.entry.queue_name, "deferred");
	assert_true(str_eq(item.entry.queue_id, id_of(number)));
	while (part_take(&digest, &item)) {
		recipients++;
		assert_int_equal(item.kind, MSG_queue_recipient);
		assert_true(str_starts(item.recipient.reason,
			arena_fmt(arena, "round %d,", round)));
	}
	assert_int_equal(digest.len, 0);
	assert_int_equal(recipients, RECIPIENTS - 1);
}

static void let_others_run(void)
{
	for (int i = 0; i < 200; i++)
		io_yield();
}

static void put_often(void *context)
{
	struct digest_reader *reader = context;
	struct str digest;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < ENTRIES; i++)
			if (i == 0 || round == 0 || i % 2)
				digest_put(entries[i], make_stored(i, round));
		let_others_run();
		for (int i = 0; i < ENTRIES; i++)
			assert_digest(reader, i,
				i == 0 || i % 2 ? round : 0);
	}
	/* More than one file was needed: the waste is not kept. */
	assert_true(reader->moves > 0);
	digest_drop(entries[3]);
	assert_false(digest_find(reader, entries[3], &digest));
	entry_free(entries[4]);
	assert_null(entry_find(5));
	io_stop();
}

static ssize_t full_pwrite(struct disk *disk, int fd, const void *from,
	size_t len, off_t at)
{
	(void)disk, (void)fd, (void)from, (void)len, (void)at;
	errno = ENOSPC;
	return -1;
}

/* What is lost is not found, least of all another's; later all is as before. */
static void fill_the_disk(void *context)
{
	struct digest_reader *reader = context;
	ssize_t (*pwrite)(struct disk *disk, int fd, const void *from,
		size_t len, off_t at) = qmgr.disk->pwrite;
	struct str digest;

	for (int i = 0; i < ENTRIES; i++)
		digest_put(entries[i], make_stored(i, 0));
	qmgr.disk->pwrite = full_pwrite;
	for (int i = 0; i < ENTRIES; i++)
		digest_put(entries[i], make_stored(i, 1));
	qmgr.disk->pwrite = pwrite;
	for (int i = 0; i < ENTRIES; i++)
		digest_put(entries[i], make_stored(i, 2));
	for (int i = 0; i < ENTRIES; i++)
		assert_false(digest_find(reader, entries[i], &digest));
	assert_int_equal(digests.live, 0);

	digests.retry = moment_now();
	for (int i = 0; i < ENTRIES; i += 2)
		digest_put(entries[i], make_stored(i, 3));
	for (int i = 0; i < ENTRIES; i++) {
		if (i % 2 == 0)
			assert_digest(reader, i, 3);
		else
			assert_false(digest_find(reader, entries[i], &digest));
	}
	io_stop();
}

static void use(void (*run)(void *context))
{
	char folder[] = "/tmp/posthorn-digest-XXXXXX";
	struct digest_reader *reader = mem_new(1, sizeof(*reader));

	arena = arena_new(0);
	assert_non_null(mkdtemp(folder));
	assert_true(disk_open(&qmgr.disk, folder));
	assert_int_equal(disk_mkdir(qmgr.disk, "journal"), 0);
	qmgr.entries = (struct keyed){ 0 };
	for (int i = 0; i < ENTRIES; i++)
		entries[i] = entry_new((uint64_t)i + 1, id_of(i),
			QUEUE_DEFERRED);
	digests.live = 0;
	digest_start();
	io_run(run, reader);
	close_file(0);
	close_file(1);
	free(reader);
	arena_free(arena);
	assert_int_equal(rmdir(arena_cstr(arena_new(0),
		arena_fmt(arena_new(0), "%s/journal", folder))), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void finds_what_was_put(void **state)
{
	(void)state;
	use(put_often);
}

static void a_full_disk_passes(void **state)
{
	(void)state;
	use(fill_the_disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_put),
		cmocka_unit_test(a_full_disk_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
