#include "base/keyed.h"

#include "base/test.h"

enum {
	MOST = 3000,
};

static struct keyed_link links[MOST];
static bool is_in[MOST];

static uint64_t key_of(size_t i, bool spread)
{
	return spread ? (uint64_t)i << 44 | i : i;
}

static void check(const struct keyed *keyed, bool spread)
{
	size_t count = 0, walked = 0, at = 0;

	for (size_t i = 0; i < MOST; i++) {
		count += is_in[i];
		assert_ptr_equal(keyed_find(keyed, key_of(i, spread)),
			is_in[i] ? &links[i] : NULL);
	}
	while (keyed_next(keyed, &at))
		walked++;
	assert_int_equal(walked, count);
	assert_int_equal(keyed->count, count);
}

static void play(bool spread)
{
	struct keyed keyed = { 0 };
	uint32_t random = 1;

	memset(is_in, 0, sizeof(is_in));
	for (size_t i = 0; i < MOST; i++)
		links[i].key = key_of(i, spread);
	for (int step = 0; step < 60000; step++) {
		size_t i = (random = random * 1664525 + 1013904223) % MOST;

		if (is_in[i])
			keyed_remove(&keyed, &links[i]);
		else
			keyed_add(&keyed, &links[i]);
		is_in[i] = !is_in[i];
		if (step % 6000 == 0)
			check(&keyed, spread);
	}
	for (size_t i = 0; i < MOST; i++) {
		keyed_remove(&keyed, &links[i]); /* fine if it is not there */
		is_in[i] = false;
	}
	check(&keyed, spread);
	assert_true(keyed.size <= 16);
	keyed_free(&keyed);
}

static void finds_what_was_added(void **state)
{
	(void)state;
	play(false);
	play(true);
}

static void empty_is_fine(void **state)
{
	struct keyed keyed = { 0 };
	size_t at = 0;

	(void)state;
	assert_null(keyed_find(&keyed, 1));
	keyed_remove(&keyed, &links[0]);
	assert_null(keyed_next(&keyed, &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added),
		cmocka_unit_test(empty_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
