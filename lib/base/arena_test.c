#include "base/test.h"

#include "base/arena.h"

static char order[16];

static void note(void *context)
{
	strcat(order, context);
}

static void memory_is_zeroed_and_aligned(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t octets = 1; octets < 300000; octets = octets * 3 + 1) {
		char *memory = arena_alloc(arena, octets);

		assert_int_equal((uintptr_t)memory % 16, 0);
		for (size_t i = 0; i < octets; i++)
			assert_int_equal(memory[i], 0);
		memset(memory, 0xff, octets);
	}
	arena_free(arena);
	arena_free(NULL);
}

static void endings_run_newest_first(void **state)
{
	struct arena *arena = arena_new(0), *child = arena_child(arena);

	(void)state;
	order[0] = '\0';
	arena_on_free(arena, note, (void *)(uintptr_t) "1");
	arena_on_free(arena, note, (void *)(uintptr_t) "2");
	arena_on_free(child, note, (void *)(uintptr_t) "c");
	arena_free(arena);
	assert_string_equal(order, "c21");
}

static void what_is_abandoned_ends_nothing(void **state)
{
	struct arena *parent = arena_new(0), *arena = arena_child(parent);
	struct arena *child = arena_child(arena);

	(void)state;
	order[0] = '\0';
	arena_on_free(arena, note, (void *)(uintptr_t) "1");
	arena_on_free(child, note, (void *)(uintptr_t) "c");
	arena_on_free(parent, note, (void *)(uintptr_t) "p");
	arena_alloc(child, 5000);
	arena_abandon(arena);
	assert_string_equal(order, "");
	assert_int_equal(arena_octets(parent), 992); /* the ending's block */
	arena_free(parent);
	assert_string_equal(order, "p");
}

static void a_reset_arena_is_usable(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	order[0] = '\0';
	for (int i = 0; i < 100; i++) {
		arena_on_free(arena, note, (void *)(uintptr_t) "");
		memset(arena_alloc(arena, 3000), 'x', 3000);
		arena_reset(arena);
		assert_true(arena_octets(arena) < 64 * 1024);
		assert_int_equal(*(char *)arena_alloc(arena, 1), 0);
	}
	arena_free(arena);
}

static void the_last_octets_are_stretched(void **state)
{
	auto_arena struct arena *arena = arena_new_small(100);
	char *first = arena_octets_new(arena, 5), *second;

	(void)state;
	assert_true(arena_stretch(arena, first, 5, 40));
	second = arena_octets_new(arena, 8);
	assert_true(second >= first + 40);
	assert_false(arena_stretch(arena, first, 40, 41)); /* not the last */
	assert_false(arena_stretch(arena, second, 8, 4)); /* not more */
	assert_false(arena_stretch(arena, second, 8, 53)); /* 100 in all */
	assert_false(arena_stretch(arena, second, 8, SIZE_MAX));
	assert_false(arena_stretch(arena, "elsewhere", 8, 16));
	assert_true(arena_stretch(arena, second, 8, 48));
	assert_true(arena_octets_new(arena, 16) >= second + 48);
}

static void ceilings_count_children(void **state)
{
	struct arena *arena = arena_new(10000), *child = arena_child(arena);

	(void)state;
	assert_false(arena_is_over(child));
	arena_alloc(child, 20000);
	assert_true(arena_is_over(child));
	assert_true(arena_is_over(arena));
	arena_free(child);
	assert_false(arena_is_over(arena));
	assert_int_equal(arena_octets(arena), 0);
	arena_free(arena);
}

/* limit: CLIENT_CEILING */
static void ceilings_are_exact(void **state)
{
	struct arena *free = arena_new(0), *within, *beyond;

	(void)state;
	arena_alloc(free, 20000);
	within = arena_new(arena_octets(free));
	beyond = arena_new(arena_octets(free) - 1);
	arena_alloc(within, 20000);
	arena_alloc(beyond, 20000);
	assert_false(arena_is_over(within));
	assert_true(arena_is_over(beyond));
	arena_free(free);
	arena_free(within);
	arena_free(beyond);
}

static void a_small_one_is_small(void **state)
{
	struct arena *arena = arena_new_small(100), *few = arena_new_small(0);

	(void)state;
	arena_alloc(arena, 50);
	arena_alloc(arena, 30);
	assert_int_equal(arena_octets(arena), 100);
	arena_alloc(arena, 1000); /* by itself */
	assert_in_range(arena_octets(arena), 1100, 1115);
	arena_alloc(arena, 20);
	assert_in_range(arena_octets(arena), 1100, 1400);
	assert_int_equal(arena_octets(few), 0);
	arena_alloc(few, 10);
	assert_in_range(arena_octets(few), 16, 300);
	arena_free(arena);
	arena_free(few);
}

static void copies(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str copy = arena_copy(arena, STR("abc"));
	int *numbers = NULL;
	size_t capacity = 0;

	(void)state;
	assert_str(copy, "abc");
	assert_int_equal(copy.p[3], '\0');
	assert_true(str_is_none(arena_copy(arena, STR_NONE)));
	assert_false(str_is_none(arena_copy(arena, STR(""))));
	assert_string_equal(arena_cstr(arena, STR_NONE), "");
	assert_str(arena_lower(arena, STR("aBC1\xc4")), "abc1\xc4");
	assert_str(arena_fmt(arena, "%d-%s", 7, "x"), "7-x");
	assert_str(arena_join(arena, STR("a"), STR("b")), "ab");
	assert_str(arena_join(arena, STR_NONE, STR("b")), "b");
	for (int i = 0; i < 1000; i++) {
		arena_grow(arena, &numbers, &capacity, (size_t)i + 1,
			sizeof(int));
		numbers[i] = i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], i);
}

/* Eight at a time and one by one are the same, for each octet. */
static void letters_become_small(void **state)
{
	struct arena *arena = arena_new(0);
	char all[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	for (size_t from = 0; from < 256; from++)
		for (size_t len = 0; len <= 256 - from && len < 30; len++) {
			struct str got = arena_lower(arena,
				str_of(all + from, len));

			assert_int_equal(got.len, len);
			assert_int_equal(got.p[len], 0);
			for (size_t i = 0; i < len; i++)
				assert_int_equal((unsigned char)got.p[i],
					ascii_lower((unsigned char)(from + i)));
		}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned),
		cmocka_unit_test(endings_run_newest_first),
		cmocka_unit_test(what_is_abandoned_ends_nothing),
		cmocka_unit_test(a_reset_arena_is_usable),
		cmocka_unit_test(the_last_octets_are_stretched),
		cmocka_unit_test(ceilings_count_children),
		cmocka_unit_test(ceilings_are_exact),
		cmocka_unit_test(a_small_one_is_small),
		cmocka_unit_test(copies),
		cmocka_unit_test(letters_become_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
