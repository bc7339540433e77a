#include "verify/pending.h"

#include "base/test.h"

static struct {
	struct pendings *pendings;
	unsigned heard;
} world;

static void wait_for_it(void *context)
{
	struct pending *pending = pending_find(world.pendings, STR("a@b"));

	(void)context;
	if (pending_wait(pending, span_s(1000)) &&
		pending->result == PROBE_UNDELIVERABLE &&
		str_is(pending->text, "no"))
		world.heard++;
	pending_release(pending);
}

static void end_it(void *context)
{
	(void)context;
	io_yield();
	pending_end(world.pendings, STR("other"), PROBE_DELIVERABLE, STR(""));
	assert_int_equal(world.heard, 0);
	pending_end(world.pendings, STR("a@b"), PROBE_UNDELIVERABLE,
		STR("no"));
}

static void one_answer_for_all(void *context)
{
	struct pending *pending;

	(void)context;
	pending = pending_begin(world.pendings, STR("a@b"));
	assert_false(pending_wait(pending, span_s(0)));
	assert_int_equal(pending->result, PROBE_UNKNOWN);
	for (int i = 0; i < 3; i++)
		io_spawn("waits", wait_for_it, NULL);
	io_spawn("ends", end_it, NULL);
	assert_true(pending_wait(pending, span_s(1000)));
	assert_int_equal(pendings_count(world.pendings), 0);
	assert_null(pending_find(world.pendings, STR("a@b")));
	pending_release(pending);
}

static void tells_all(void **state)
{
	(void)state;
	world.pendings = pendings_new(10, span_s(1000));
	io_run(one_answer_for_all, NULL);
	assert_int_equal(world.heard, 3);
	pendings_free(world.pendings);
}

static void has_a_limit(void **state)
{
	struct pendings *pendings = pendings_new(2, span_s(1000));
	struct pending *one = pending_begin(pendings, STR("1"));
	struct pending *two = pending_begin(pendings, STR("2"));

	(void)state;
	assert_non_null(one);
	assert_non_null(two);
	assert_null(pending_begin(pendings, STR("3")));
	pending_end(pendings, STR("1"), PROBE_UNKNOWN, STR(""));
	pending_release(one);
	one = pending_begin(pendings, STR("3"));
	assert_non_null(one);
	pending_release(one);
	pending_release(two);
	pendings_free(pendings);
}

/* One that is not heard of makes room, for itself and for others. */
static void forgets_the_lost(void **state)
{
	struct pendings *pendings = pendings_new(1, span_s(0));
	struct pending *one = pending_begin(pendings, STR("1"));

	(void)state;
	pending_release(one);
	assert_null(pending_find(pendings, STR("1")));
	assert_int_equal(pendings_count(pendings), 0);
	one = pending_begin(pendings, STR("1"));
	assert_non_null(one);
	pending_release(one);
	one = pending_begin(pendings, STR("2"));
	assert_non_null(one);
	pending_release(one);
	assert_int_equal(pendings_count(pendings), 1);
	pendings_free(pendings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_all),
		cmocka_unit_test(has_a_limit),
		cmocka_unit_test(forgets_the_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
