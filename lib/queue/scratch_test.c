/*
 * queue/scratch_test - text in memory is read again as it was. What is in a
 * file: tests/proxy_filter_test.py.
 */
#include "base/test.h"

#include "queue/scratch.h"

static void fill(struct scratch *scratch, size_t blocks)
{
	static const char text[1000] = { [0 ... 998] = 'x', [999] = '\n' };

	for (size_t i = 0; i < blocks; i++)
		assert_true(scratch_write(scratch,
			str_of(text, sizeof(text))));
}

static void reads_what_was_written(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct scratch *scratch = scratch_new(arena, STR("1"));
	struct str block;
	size_t len = 0;

	(void)state;
	fill(scratch, 40);
	assert_true(scratch_write(scratch, STR("end")));
	do {
		assert_true(scratch_read(scratch, &block));
		len += block.len;
		assert_true(block.len <= SCRATCH_BLOCK);
		if (len == 40003 && block.len > 0)
			assert_true(str_ends(block, STR("x\nend")));
	} while (block.len > 0);
	assert_int_equal(len, 40003);
	assert_false(scratch_write(scratch, STR("too late")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
