/*
 * delay.c as it is, on a clock of this test: who waits, how long, and who not.
 */
#include "base/test.h"

#include "io/fiber.h"

/* Seconds that were slept in all; sleeping takes no time here. */
static int64_t slept_s;

static must_check bool sleep_model(struct span span)
{
	slept_s += span_to_s(span);
	return true;
}

#define io_sleep sleep_model
#include "delay.c"
#undef io_sleep

#define V4 STR("192.0.2.1")

static int begin(void **state)
{
	(void)state;
	delay_open();
	slept_s = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (struct table_walk w = { 0 }; table_next(offenders, &w);)
		free(w.value);
	table_free(offenders);
	return 0;
}

/* What an exchange that fails costs. */
static int64_t cost(struct str address)
{
	int64_t before = slept_s;

	assert_true(delay_enter(address));
	delay_failure(address);
	delay_leave(address);
	return slept_s - before;
}

static void each_failure_costs_more(void **state)
{
	static const int wanted[] = { 0, 1, 2, 4, 8, 15, 15, 15 };

	(void)state;
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_int_equal(cost(V4), wanted[i]);
	assert_int_equal(cost(STR("192.0.2.2")), 0);
}

/* Whoever has an account there must not guess others' for nothing. */
static void a_success_forgets_half(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		cost(V4);
	assert_true(delay_enter(V4));
	delay_success(V4);
	delay_leave(V4);
	assert_int_equal(cost(V4), 2);
}

static void a_network_of_ipv6_is_one(void **state)
{
	(void)state;
	assert_int_equal(cost(STR("2001:db8::1")), 0);
	assert_int_equal(cost(STR("2001:db8::2")), 1);
	assert_int_equal(cost(STR("2001:db8:0:1::2")), 0);
}

static void not_everybody_waits_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) /* nobody has failed yet */
		assert_true(delay_enter(V4));
	delay_failure(V4);
	assert_false(delay_enter(V4));
	for (int i = 0; i < 100 - WAITING_MOST; i++)
		delay_leave(V4);
	assert_false(delay_enter(V4));
	delay_leave(V4);
	assert_true(delay_enter(V4));
	assert_true(delay_enter(STR("192.0.2.2")));
}

static void sleepers_are_limited(void **state)
{
	(void)state;
	assert_int_equal(cost(V4), 0);
	sleepers = SLEEPERS_MOST;
	assert_int_equal(cost(V4), 0);
	sleepers = 0;
	assert_int_equal(cost(V4), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(each_failure_costs_more),
		TEST(a_success_forgets_half),
		TEST(a_network_of_ipv6_is_one),
		TEST(not_everybody_waits_at_once),
		TEST(sleepers_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
