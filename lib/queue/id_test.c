/*
 * queue/id_test - IDs of both forms.
 */
#include "base/test.h"

#include "queue/id.h"

static const struct {
	const char *text;
	uint64_t serial; /* 0: refused */
} ids[] = {
	{ "4A5F21002B", 0x1002B }, { "00000F", 0xF },
	{ "F423F1", 1 }, /* 999,999 µs */
	{ "F42401" }, { "4A5F2" }, { "" }, { "4a5f21002b" }, { "4A5F2G" },
	{ "4A5F2FFFFFFFFFFFFFFFFF" }, { "4A5F2/../x" },
	{ "000000000z1" }, { "0000000000z1", 1 }, { "0000000000z" },
	{ "0000000000z1z" }, { "000000zzzzz1" }, { "z00000000Bz10", 51 },
};

static void parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		uint64_t serial = 0;
		bool is_id = queue_id_parse(str_from(ids[i].text), &serial);

		assert_int_equal(is_id, ids[i].serial != 0);
		assert_int_equal(serial, ids[i].serial);
	}
}

static void comes_back(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (uint64_t serial = 1; serial; serial <<= 1)
		for (int is_long = 0; is_long <= 1; is_long++) {
			struct str id = queue_id_text(arena, serial,
				1796000000999999, is_long);
			uint64_t back = 0;

			assert_true(id.len <= QUEUE_ID_MOST);
			assert_true(queue_id_parse(id, &back));
			assert_int_equal(back, serial);
			assert_int_equal(queue_id_is_long(id), is_long);
		}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
