/*
 * Where a flush is made: by a helper, or in place where nobody else comes.
 */
#include "queue/flush.h"

#include "base/test.h"

static struct {
	struct disk disk;
	struct flush flush;
	unsigned by_helper, in_place;
	bool is_slow;
} run;

static int sync_model(struct disk *disk, int fd)
{
	assert_ptr_equal(disk, &run.disk);
	assert_int_equal(fd, 7);
	run.by_helper++;
	if (run.is_slow)
		assert_true(io_sleep(span_ms(5)));
	else
		io_yield();
	return 0;
}

static int sync_here_model(struct disk *disk, int fd)
{
	assert_ptr_equal(disk, &run.disk);
	assert_int_equal(fd, 7);
	run.in_place++;
	return 0;
}

static void commit(void *context)
{
	(void)context;
	assert_true(flush_wait(&run.flush));
}

static void commit_one_by_one(void *context)
{
	for (uintptr_t i = 0; i < (uintptr_t)context; i++)
		commit(NULL);
}

static void commit_in_pairs(void *context)
{
	for (uintptr_t i = 0; i < (uintptr_t)context; i++) {
		io_spawn("another", commit, NULL);
		commit(NULL);
		io_yield();
	}
}

static void start(bool is_slow)
{
	run.disk = (struct disk){ .sync = sync_model,
		.sync_here = sync_here_model };
	run.by_helper = run.in_place = 0;
	run.is_slow = is_slow;
	flush_init(&run.flush, &run.disk, 7);
}

static void one_alone_needs_no_helper(void **state)
{
	(void)state;
	start(false);
	io_run(commit_one_by_one, (void *)100);
	/* A few first, more where this machine was slow. */
	assert_true(run.by_helper >= 8);
	assert_true(run.in_place > 0);
	assert_int_equal(run.by_helper + run.in_place, 100);
}

static void others_are_not_held_up(void **state)
{
	(void)state;
	start(false);
	io_run(commit_in_pairs, (void *)100);
	assert_int_equal(run.in_place, 0);
	assert_int_equal(run.by_helper, 100);
}

static void a_slow_disk_is_the_helpers(void **state)
{
	(void)state;
	start(true);
	io_run(commit_one_by_one, (void *)20);
	assert_int_equal(run.in_place, 0);
	assert_int_equal(run.by_helper, 20);
}

static void who_comes_second_ends_it(void **state)
{
	(void)state;
	start(false);
	run.flush.alone = 8; /* was long so */
	io_run(commit_one_by_one, (void *)1);
	assert_int_equal(run.in_place, 1);
	run.by_helper = 0;
	io_run(commit_in_pairs, (void *)1);
	assert_int_equal(run.in_place, 1);
	assert_int_equal(run.by_helper, 1);
	assert_int_equal(run.flush.alone, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_alone_needs_no_helper),
		cmocka_unit_test(others_are_not_held_up),
		cmocka_unit_test(a_slow_disk_is_the_helpers),
		cmocka_unit_test(who_comes_second_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
