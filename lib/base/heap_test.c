#include "base/test.h"

#include "base/heap.h"

enum {
	MANY = 2000,
};

static struct heap_link links[MANY];

static uint32_t next_number(void)
{
	static uint32_t number = 12345;

	number = number * 1664525 + 1013904223;
	return number >> 8;
}

static void takes_in_order(struct heap *heap, size_t count)
{
	int64_t before = INT64_MIN;

	for (; count > 0; count--) {
		struct heap_link *first = heap_first(heap);

		assert_non_null(first);
		assert_true(first->key >= before);
		before = first->key;
		heap_remove(heap, first);
		assert_int_equal(first->place, 0);
	}
	assert_null(heap_first(heap));
}

static void orders(void **state)
{
	struct heap heap = { 0 };

	(void)state;
	assert_null(heap_first(&heap));
	heap_remove(&heap, &links[0]); /* in none: fine */
	for (int i = 0; i < MANY; i++)
		heap_put(&heap, &links[i], next_number() % 1000);
	takes_in_order(&heap, MANY);
	heap_free(&heap);
}

static void moves_and_removes(void **state)
{
	struct heap heap = { 0 };

	(void)state;
	for (int i = 0; i < MANY; i++)
		heap_put(&heap, &links[i], next_number());
	for (int i = 0; i < MANY; i += 3)
		heap_put(&heap, &links[i], (int64_t)next_number() - 100000);
	for (int i = 0; i < MANY; i += 2)
		heap_remove(&heap, &links[i]);
	takes_in_order(&heap, MANY / 2);
	heap_free(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders),
		cmocka_unit_test(moves_and_removes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
