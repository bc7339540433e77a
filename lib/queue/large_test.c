/*
 * Who seals large content at the same time shares a flush, of the folder or of
 * everything, and hears when it failed.
 */
#include "queue/large.h"

#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { SEALERS = 10, OCTETS = 100 };

/* Descriptors are numbers of files, which have a name and then content. */
static struct {
	struct disk disk;
	struct large_folder folder;
	int named, safe_names;   /* files below that number */
	bool is_safe[SEALERS + 1]; /* what it holds */
	unsigned flushes, failures, sealed, refused, broken;
	unsigned all_flushes, all_failures, file_flushes;
	bool is_open_elsewhere; /* somebody may still write to it */
	int elsewhere; /* a file that a flush of everything does not cover */
} run;

static int open_model(struct disk *disk, const char *path, int flags)
{
	unsigned serial;

	(void)disk;
	if (flags & O_CREAT)
		return run.named++;
	assert_int_equal(sscanf(path, "large/%X", &serial), 1);
	return (int)serial;
}

static void close_model(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
}

static int64_t size_model(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
	return OCTETS;
}

static int is_sealed_model(struct disk *disk, int fd)
{
	(void)disk;
	(void)fd;
	errno = EAGAIN;
	return run.is_open_elsewhere ? -1 : 0;
}

static int sync_model(struct disk *disk, int fd)
{
	(void)disk;
	io_yield();
	run.file_flushes++;
	run.is_safe[fd] = true;
	return 0;
}

static int sync_all_model(struct disk *disk)
{
	int named = run.named;

	(void)disk;
	run.all_flushes++;
	io_yield();
	if (run.all_failures > 0) {
		run.all_failures--;
		errno = EIO;
		return -1;
	}
	run.safe_names = named;
	for (int fd = 0; fd < named; fd++)
		if (fd != run.elsewhere)
			run.is_safe[fd] = true;
	return 0;
}

static bool is_covered_model(struct disk *disk, int fd)
{
	(void)disk;
	return fd != run.elsewhere;
}

/* It covers what was there when it began. */
static int sync_dir_model(struct disk *disk, const char *path)
{
	int named = run.named;

	(void)disk;
	assert_string_equal(path, "large");
	run.flushes++;
	io_yield();
	if (run.failures > 0) {
		run.failures--;
		errno = EIO;
		return -1;
	}
	run.safe_names = named;
	return 0;
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	run.disk = (struct disk){
		.open = open_model, .close = close_model, .size = size_model,
		.sync = sync_model, .sync_dir = sync_dir_model,
		.is_sealed = is_sealed_model,
	};
	large_folder_init(&run.folder, &run.disk);
	run.elsewhere = -1;
	return 0;
}

static int begin_all(void **state)
{
	begin(state);
	run.disk.sync_all = sync_all_model;
	run.disk.is_covered = is_covered_model;
	return 0;
}

static void seal(void *context)
{
	uint64_t mark;
	int fd = large_create(&run.disk, 1);

	(void)context;
	mark = large_mark(&run.folder);
	io_yield(); /* its octets come */
	if (!large_seal(&run.folder, (uint64_t)fd, mark, OCTETS, false, NULL)) {
		assert_int_equal(errno, EIO);
		run.refused++;
		return;
	}
	run.sealed++;
	if (run.safe_names <= fd || !run.is_safe[fd])
		run.broken++;
}

static void flushed_by_others(void *context)
{
	uint64_t mark;
	int fd = large_create(&run.disk, 1);

	mark = large_mark(&run.folder);
	seal(context);
	assert_int_equal(run.flushes, 1);
	assert_true(large_seal(&run.folder, (uint64_t)fd, mark, OCTETS, false,
		NULL));
	assert_int_equal(run.flushes, 1);
	assert_true(run.safe_names > fd && run.is_safe[fd]);
}

static void what_a_flush_covered_needs_none(void **state)
{
	(void)state;
	io_run(flushed_by_others, NULL);
	assert_int_equal(run.broken, 0);
}

static void seal_many(void *context)
{
	(void)context;
	for (int i = 0; i < SEALERS; i++) {
		io_spawn("seal", seal, NULL);
		if (i % 4 == 0)
			io_yield(); /* the others while a flush runs */
	}
}

static void many_share(void **state)
{
	(void)state;
	io_run(seal_many, NULL);
	assert_int_equal(run.broken, 0);
	assert_int_equal(run.sealed, SEALERS);
	assert_true(run.flushes < SEALERS / 2);
}

/* Those who waited when it failed; not those who come then. */
static void an_error_is_for_who_waited(void **state)
{
	(void)state;
	run.failures = 1;
	io_run(seal_many, NULL);
	assert_int_equal(run.broken, 0);
	assert_true(run.refused > 0);
	assert_int_equal(run.sealed + run.refused, SEALERS);
}

/* A machine that pauses within a flush makes it a slow one: again. */
static void many_share_one_of_everything(void **state)
{
	do {
		begin_all(state);
		io_run(seal_many, NULL);
		assert_int_equal(run.broken, 0);
		assert_int_equal(run.sealed, SEALERS);
	} while (run.folder.group.one_by_one.us != 0);
	assert_true(run.all_flushes > 0 && run.all_flushes < SEALERS / 2);
	assert_int_equal(run.flushes + run.file_flushes, 0);
}

static void what_it_does_not_cover_is_flushed_by_itself(void **state)
{
	(void)state;
	run.elsewhere = SEALERS - 1;
	io_run(seal_many, NULL);
	assert_int_equal(run.broken, 0);
	assert_int_equal(run.sealed, SEALERS);
	assert_true(run.is_safe[run.elsewhere]);
}

static void one_flushes_its_file(void **state)
{
	(void)state;
	io_run(seal, NULL);
	assert_int_equal(run.sealed, 1);
	assert_int_equal(run.broken, 0);
	assert_int_equal(run.all_flushes, 0);
	assert_int_equal(run.file_flushes, 1);
	assert_int_equal(run.flushes, 1);
}

/* What it was to make durable, names above all, no later flush can tell of. */
static void its_error_is_for_who_waited(void **state)
{
	(void)state;
	run.all_failures = 1;
	io_run(seal_many, NULL);
	assert_int_equal(run.broken, 0);
	assert_true(run.refused >= 2);
	assert_int_equal(run.sealed + run.refused, SEALERS);
	assert_int_equal(run.all_flushes, 1);
}

static void seal_then_again(void *context)
{
	seal(context);
	assert_int_equal(run.refused, 1);
	seal(context);
	assert_int_equal(run.sealed, 1);
}

static void who_comes_after_an_error_has_a_flush_of_his_own(void **state)
{
	(void)state;
	run.failures = 1;
	io_run(seal_then_again, NULL);
	assert_int_equal(run.flushes, 2);
	assert_int_equal(run.broken, 0);
}

static void seal_wrong(void *context)
{
	int fd = large_create(&run.disk, 1);
	uint64_t mark = large_mark(&run.folder);

	(void)context;
	assert_false(large_seal(&run.folder, (uint64_t)fd, mark, OCTETS + 1,
		false, NULL));
	assert_int_equal(errno, EMSGSIZE);
	run.is_open_elsewhere = true;
	assert_false(large_seal(&run.folder, (uint64_t)fd, mark, OCTETS, false,
		NULL));
	assert_int_equal(errno, EAGAIN);
	run.is_open_elsewhere = false;
	assert_true(large_seal(&run.folder, (uint64_t)fd, mark, OCTETS, false,
		NULL));
}

/* What somebody may still write to, or has another size, is nobody's mail. */
static void only_what_is_closed_is_sealed(void **state)
{
	(void)state;
	io_run(seal_wrong, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
#define TEST_ALL(name) cmocka_unit_test_setup(name, begin_all)
	const struct CMUnitTest tests[] = {
		TEST_ALL(many_share_one_of_everything),
		TEST_ALL(what_it_does_not_cover_is_flushed_by_itself),
		TEST_ALL(one_flushes_its_file),
		TEST_ALL(its_error_is_for_who_waited),
		TEST(only_what_is_closed_is_sealed),
		TEST(many_share),
		TEST(what_a_flush_covered_needs_none),
		TEST(an_error_is_for_who_waited),
		TEST(who_comes_after_an_error_has_a_flush_of_his_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
