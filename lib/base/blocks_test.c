#include "base/blocks.h"

#include "base/test.h"

enum {
	MOST = 5000,
	SIZE = 88,
};

static void *objects[MOST];

static bool is_zeroed(const unsigned char *object)
{
	for (size_t i = 0; i < SIZE; i++)
		if (object[i])
			return false;
	return true;
}

static void make(struct blocks *blocks, size_t i)
{
	objects[i] = blocks_new(blocks);
	assert_true(is_zeroed(objects[i]));
	memset(objects[i], (int)(i % 255) + 1, SIZE);
}

/* Nobody else has written to it. */
static void drop(struct blocks *blocks, size_t i)
{
	const unsigned char *octets = objects[i];

	for (size_t at = 0; octets && at < SIZE; at++)
		assert_int_equal(octets[at], i % 255 + 1);
	blocks_free(blocks, objects[i]);
	objects[i] = NULL;
}

static void places_are_used_again(void **state)
{
	struct blocks blocks;
	uint32_t random = 1;

	(void)state;
	blocks_init(&blocks, SIZE);
	for (int step = 0; step < 50000; step++) {
		size_t i = (random = random * 1664525 + 1013904223) % MOST;

		if (objects[i])
			drop(&blocks, i);
		else
			make(&blocks, i);
	}
	assert_true(blocks.count <= MOST / (64 * 1024 / SIZE - 1) + 1);
	for (size_t i = 0; i < MOST; i++)
		drop(&blocks, i);
	assert_int_equal(blocks.count, 1);
}

static void empty_blocks_go(void **state)
{
	struct blocks blocks;

	(void)state;
	blocks_init(&blocks, SIZE);
	for (size_t i = 0; i < MOST; i++)
		make(&blocks, i);
	assert_true(blocks.count >= 6);
	for (size_t i = 100; i < MOST; i++)
		drop(&blocks, i);
	assert_int_equal(blocks.count, 1);
	for (size_t i = 0; i < 100; i++)
		drop(&blocks, i);
	assert_int_equal(blocks.count, 1); /* for the next */
	blocks_free(&blocks, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_used_again),
		cmocka_unit_test(empty_blocks_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
