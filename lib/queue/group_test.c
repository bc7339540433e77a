/*
 * Who shares a flush, and what one covers.
 */
#include "queue/group.h"

#include "base/test.h"

#include <errno.h>

/* Files are numbers of what was written, and of what has a name. */
static struct {
	struct flush_group group;
	unsigned written, named, safe_data, safe_names;
	unsigned flushes, alone, broken;
	bool fails, is_slow;
} run;

/* It covers what was there when it began. */
static int sync_model(struct flush_group *group)
{
	unsigned written = run.written, named = run.named;

	assert_ptr_equal(group, &run.group);
	io_yield();
	run.flushes++;
	if (run.fails) {
		errno = EIO;
		return -1;
	}
	if (run.is_slow)
		assert_true(io_sleep(span_ms(150)));
	run.safe_data = written;
	run.safe_names = named;
	return 0;
}

static void deliver_one(bool at_once)
{
	unsigned file = ++run.written, name;
	uint64_t mark;

	if (!group_data(&run.group, 1, true, at_once))
		run.alone++;
	else if (run.safe_data < file)
		run.broken++;
	group_data_end(&run.group, 1, at_once);
	name = ++run.named;
	mark = group_mark(&run.group);
	if (!group_names(&run.group, mark, 1, at_once))
		run.alone++;
	else if (run.safe_names < name)
		run.broken++;
}

static void deliver(void *context)
{
	(void)context;
	deliver_one(false);
}

static void spawn(void *context)
{
	for (uintptr_t i = 0; i < (uintptr_t)context; i++)
		io_spawn("delivery", deliver, NULL);
}

static void deliver_many(size_t count)
{
	run.flushes = run.alone = run.broken = 0;
	io_run(spawn, (void *)(uintptr_t)count);
	assert_int_equal(run.broken, 0);
}

static int begin(void **state)
{
	(void)state;
	memset(&run, 0, sizeof(run));
	group_init(&run.group, sync_model);
	return 0;
}

/* A machine that pauses within a flush makes it a slow one: again. */
static void many_share(void **state)
{
	do {
		begin(state);
		deliver_many(100);
	} while (run.group.one_by_one.us != 0);
	assert_int_equal(run.alone, 0);
	assert_true(run.flushes <= 4);
}

static void few_flush_alone(void **state)
{
	(void)state;
	deliver_many(2);
	assert_true(run.alone >= 2); /* their data; names may share */
}

static void how_few_is_settable(void **state)
{
	(void)state;
	run.group.share_from = 5;
	deliver_many(4);
	assert_true(run.alone >= 4);
	run.group.share_from = 2;
	do {
		run.group.one_by_one = (struct moment){ 0 };
		deliver_many(2);
	} while (run.group.one_by_one.us != 0);
	assert_int_equal(run.alone, 0);
}

static void after_an_error_everybody_alone(void **state)
{
	(void)state;
	run.fails = true;
	deliver_many(5);
	assert_int_equal(run.alone, 10);
	run.fails = false;
	deliver_many(5);
	assert_int_equal(run.alone, 10);
	assert_int_equal(run.flushes, 0);
	group_forgive(&run.group);
	run.group.one_by_one = (struct moment){ 0 };
	deliver_many(5);
	assert_true(run.flushes > 0);
}

static void after_a_slow_one_alone_for_a_while(void **state)
{
	(void)state;
	run.is_slow = true;
	deliver_many(3);
	assert_true(moment_left(run.group.one_by_one).us > 0);
	run.is_slow = false;
	deliver_many(5);
	assert_int_equal(run.alone, 10);
}

/* What was there before a flush began needs no other. */
static void names(void *context)
{
	uint64_t mark = group_mark(&run.group);

	(void)context;
	assert_true(group_names(&run.group, mark, 3, true));
	assert_int_equal(run.flushes, 1);
	assert_true(group_names(&run.group, mark, 1, true));
	assert_int_equal(run.flushes, 1);
	assert_false(
		group_names(&run.group, group_mark(&run.group), 1, true));
}

static void a_flush_covers_what_was_there(void **state)
{
	(void)state;
	io_run(names, NULL);
}

/* The first has written and waits for the others, who take their time. */
static void come(void *context)
{
	for (uintptr_t i = 0; i < (uintptr_t)context; i++)
		io_yield();
	run.written++;
	group_came(&run.group);
	run.alone += !group_data(&run.group, 1, true, false);
	group_data_end(&run.group, 1, false);
}

static void expect_three(void *context)
{
	(void)context;
	for (uintptr_t i = 0; i < 3; i++) {
		group_expect(&run.group);
		io_spawn("delivery", come, (void *)(100 * i)); /* number */
	}
}

/* A machine that pauses is given other chances. */
static void those_who_come_are_waited_for(void **state)
{
	int tries = 0;

	do {
		begin(state);
		io_run(expect_three, NULL);
	} while ((run.flushes != 1 || run.alone > 0) && ++tries < 50);
	assert_int_equal(run.flushes, 1);
	assert_int_equal(run.alone, 0);
}

/* Who never comes: not for long. */
static void wait_in_vain(void *context)
{
	(void)context;
	group_expect(&run.group);
	assert_true(group_data(&run.group, 3, true, false));
	group_data_end(&run.group, 3, false);
}

static void nobody_is_waited_for_long(void **state)
{
	(void)state;
	io_run(wait_in_vain, NULL);
	assert_int_equal(run.flushes, 1);
}

/* ---- clients that wait ---- */

/* A rest without an end, as far as a test is concerned. */
static void rest(void)
{
	run.group.rest_until = moment_after(span_s(3600));
}

static void one_client(void *context)
{
	(void)context;
	for (int i = 0; i < 10; i++) {
		rest();
		deliver_one(true);
	}
}

static void a_client_alone_waits_for_nobody(void **state)
{
	(void)state;
	io_run(one_client, NULL);
	assert_int_equal(run.alone, 20);
	assert_int_equal(run.flushes, 0);
}

/* Each takes his time to come back, and has to be waited for. */
static void client(void *context)
{
	for (int i = 0; i < 5; i++) {
		rest();
		for (uintptr_t n = 0; n < (uintptr_t)context; n++)
			io_yield();
		deliver_one(true);
	}
}

static void ten_clients(void *context)
{
	(void)context;
	run.group.clients_before = 10;
	for (uintptr_t i = 0; i < 10; i++)
		io_spawn("client", client, (void *)(10 * i)); /* number */
}

/* One flush for the data of all, one for their names. */
static void clients_wait_for_each_other(void **state)
{
	int tries = 0;

	do {
		begin(state);
		io_run(ten_clients, NULL);
		assert_int_equal(run.broken, 0);
	} while (run.group.one_by_one.us != 0 && ++tries < 50);
	assert_int_equal(run.alone, 0);
	assert_int_equal(run.flushes, 10);
}

static void client_and_others(void *context)
{
	(void)context;
	rest();
	for (int i = 0; i < 3; i++)
		io_spawn("delivery", deliver, NULL);
	io_yield();
	deliver_one(true);
	run.group.rest_until = (struct moment){ 0 };
	io_event_wake_all(&run.group.all_back);
}

/* What rests is taken along: the others flush their names only. */
static void a_client_ends_the_rest(void **state)
{
	(void)state;
	do {
		begin(state);
		io_run(client_and_others, NULL);
	} while (run.group.one_by_one.us != 0);
	assert_int_equal(run.broken, 0);
	assert_int_equal(run.flushes, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(many_share),
		TEST(few_flush_alone),
		TEST(how_few_is_settable),
		TEST(after_an_error_everybody_alone),
		TEST(after_a_slow_one_alone_for_a_while),
		TEST(a_flush_covers_what_was_there),
		TEST(those_who_come_are_waited_for),
		TEST(nobody_is_waited_for_long),
		TEST(a_client_alone_waits_for_nobody),
		TEST(clients_wait_for_each_other),
		TEST(a_client_ends_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
