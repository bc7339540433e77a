#include "base/test.h"

#include "base/table.h"

#include <stdio.h>

enum {
	MANY = 5000,
};

static int values[MANY];

static struct str key_of(int i)
{
	static char text[32];

	return str_of(text, (size_t)snprintf(text, sizeof(text), "key %d", i));
}

static void holds_many(void **state)
{
	struct table *table = table_new();
	size_t walked = 0;

	(void)state;
	assert_null(table_find(table, STR("none")));
	for (int i = 0; i < MANY; i++)
		assert_null(table_put(table, key_of(i), &values[i]));
	assert_int_equal(table_count(table), MANY);
	assert_ptr_equal(table_put(table, key_of(7), &values[8]), &values[7]);
	assert_ptr_equal(table_put(table, key_of(7), &values[7]), &values[8]);
	assert_int_equal(table_count(table), MANY);
	for (int i = 0; i < MANY; i += 2)
		assert_ptr_equal(table_remove(table, key_of(i)), &values[i]);
	assert_null(table_remove(table, key_of(0)));
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(table_find(table, key_of(i)),
			i % 2 ? &values[i] : NULL);
	for (struct table_walk w = { 0 }; table_next(table, &w); walked++)
		assert_ptr_equal(table_find(table, w.key), w.value);
	assert_int_equal(walked, MANY / 2);
	table_free(table);
}

static void may_borrow_keys(void **state)
{
	static const char text[] = "one two";
	struct table *table = table_new_borrowing();
	struct str one = str_of(text, 3), two = str_of(text + 4, 3);
	struct table_walk w = { 0 };

	(void)state;
	assert_null(table_put(table, one, &values[1]));
	assert_null(table_put(table, two, &values[2]));
	assert_null(table_put(table, STR_NONE, &values[3]));
	assert_ptr_equal(table_find(table, STR("two")), &values[2]);
	assert_ptr_equal(table_find(table, STR("")), &values[3]);
	assert_ptr_equal(table_remove(table, STR("two")), &values[2]);
	assert_ptr_equal(table_remove(table, STR("")), &values[3]);
	assert_true(table_next(table, &w));
	assert_ptr_equal(w.key.p, text);
	table_free(table);
}

static void walk_may_remove(void **state)
{
	struct table *table = table_new();
	size_t walked = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		table_put(table, key_of(i), &values[i]);
	for (struct table_walk w = { 0 }; table_next(table, &w); walked++) {
		char copy[32];

		memcpy(copy, w.key.p, w.key.len);
		assert_ptr_equal(table_remove(table,
			str_of(copy, w.key.len)), w.value);
	}
	assert_int_equal(walked, 100);
	assert_int_equal(table_count(table), 0);
	table_free(table);
}

static void case_of_keys(void **state)
{
	struct table *exact = table_new(), *nocase = table_new_nocase();

	(void)state;
	table_put(exact, STR("Key"), &values[1]);
	table_put(nocase, STR("Key"), &values[1]);
	assert_null(table_find(exact, STR("KEY")));
	assert_ptr_equal(table_find(nocase, STR("kEY")), &values[1]);
	assert_null(table_find(exact, STR("Ke")));
	assert_null(table_put(exact, STR(""), &values[2]));
	assert_ptr_equal(table_find(exact, STR("")), &values[2]);
	table_free(exact);
	table_free(nocase);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_many),
		cmocka_unit_test(may_borrow_keys),
		cmocka_unit_test(walk_may_remove),
		cmocka_unit_test(case_of_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
