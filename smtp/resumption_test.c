#include "smtp/resumption.h"

#include "base/test.h"

static struct str key_of(struct arena *arena, int i)
{
	return arena_fmt(arena, "mx%d.example", i);
}

static void keeps_the_last(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	resumption_keep(STR("mx.example"), STR(""));
	assert_true(str_is_none(resumption_find(arena, STR("mx.example"))));
	resumption_keep(STR("mx.example"), STR("one"));
	resumption_keep(STR("mx.example"), STR("two"));
	resumption_keep(STR("mx.example"), STR(""));
	assert_str(resumption_find(arena, STR("mx.example")), "two");
	assert_true(str_is_none(resumption_find(arena, STR("mx2.example"))));
}

/* Full: the new one is kept all the same, and so is a new one of the same. */
static void is_bounded(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	size_t known = 0;

	(void)state;
	for (int i = 0; i < 2 * RESUMPTIONS_MOST; i++) {
		resumption_keep(key_of(arena, i), STR("old"));
		assert_str(resumption_find(arena, key_of(arena, i)), "old");
	}
	for (int i = 0; i < 2 * RESUMPTIONS_MOST; i++)
		known += !str_is_none(resumption_find(arena, key_of(arena, i)));
	/* that of the other test may be among them: any has to go */
	known += !str_is_none(resumption_find(arena, STR("mx.example")));
	assert_int_equal(known, RESUMPTIONS_MOST);
	resumption_keep(key_of(arena, 2 * RESUMPTIONS_MOST - 1), STR("new"));
	assert_str(resumption_find(arena, key_of(arena,
			   2 * RESUMPTIONS_MOST - 1)), "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_last),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
