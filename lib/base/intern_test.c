#include "base/test.h"

#include "base/intern.h"

#include <stdio.h>

enum {
	MANY = 5000,
};

static struct str text_of(int i)
{
	static char text[32];

	return str_of(text, (size_t)snprintf(text, sizeof(text), "text %d", i));
}

static void numbers_texts(void **state)
{
	struct intern *intern = intern_new();

	(void)state;
	assert_int_equal(intern_number(intern, STR("")), 0);
	assert_int_equal(intern_count(intern), 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < MANY; i++)
			assert_int_equal(intern_number(intern, text_of(i)),
				i + 1);
	assert_int_equal(intern_count(intern), MANY);
	assert_int_equal(intern_number(intern, STR("a\0b")), MANY + 1);
	assert_int_equal(intern_number(intern, STR("a")), MANY + 2);
	assert_int_equal(intern_number(intern, STR("")), 0);
	intern_free(intern);
	intern_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
