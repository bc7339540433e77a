#include "base/test.h"

#include "base/buf.h"

static void appends(void **state)
{
	auto_buf struct buf buf = { 0 };

	(void)state;
	assert_str(buf_str(&buf), "");
	buf_add(&buf, STR("ab"));
	buf_add(&buf, STR_NONE);
	buf_text(&buf, "cd");
	buf_text(&buf, NULL);
	buf_char(&buf, '-');
	buf_fmt(&buf, "%03d", 7);
	buf_char(&buf, ' ');
	buf_u64(&buf, 0);
	buf_char(&buf, ' ');
	buf_u64(&buf, UINT64_MAX);
	assert_str(buf_str(&buf), "abcd-007 0 18446744073709551615");
	buf_drop(&buf, 5);
	assert_str(buf_str(&buf), "007 0 18446744073709551615");
	buf_drop(&buf, 1000);
	assert_str(buf_str(&buf), "");
}

static void grows_to_the_limit(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf bufs[] = { { .limit = 1000 },
		{ .limit = 1000, .arena = arena } };

	(void)state;
	for (size_t i = 0; i < COUNT(bufs); i++) {
		for (int at = 0; at < 1000; at++)
			buf_char(&bufs[i], (char)('a' + at % 26));
		assert_false(bufs[i].failed);
		buf_char(&bufs[i], 'x');
		assert_true(bufs[i].failed);
		assert_int_equal(bufs[i].len, 1000);
		for (int at = 0; at < 1000; at++)
			assert_int_equal(bufs[i].p[at], 'a' + at % 26);
		buf_clear(&bufs[i]);
		assert_true(buf_room(&bufs[i], 1000));
		assert_false(buf_room(&bufs[i], SIZE_MAX));
		buf_free(&bufs[i]);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends),
		cmocka_unit_test(grows_to_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
