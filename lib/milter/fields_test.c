#include "milter/fields.h"

#include "base/test.h"

#define HEADER "Received: ours\nTo: a\nReceived: theirs\nto: b\n c\nX:\n"

static struct arena *arena;
static struct milter_fields fields;

static void begin(void)
{
	arena_free(arena);
	arena = arena_new(0);
	milter_fields_parse(arena, STR(HEADER), &fields);
}

static void expect(const char *text)
{
	struct buf out = BUF_IN(arena);

	milter_fields_format(&fields, &out);
	assert_str(buf_str(&out), text);
}

static void hides_what_is_ours(void **state)
{
	(void)state;
	begin();
	expect(HEADER);
	assert_int_equal(fields.count, 5);
	assert_true(fields.all[0].is_ours);
	assert_int_equal(milter_fields_find(&fields, STR("received"), 1), 2);
	assert_int_equal(milter_fields_find(&fields, STR("TO"), 2), 3);
	assert_int_equal(milter_fields_find(&fields, STR("TO"), 0), 1);
	assert_int_equal(milter_fields_find(&fields, STR("TO"), 3), SIZE_MAX);
}

static void shows_values(void **state)
{
	(void)state;
	begin();
	assert_str(milter_field_value(&fields.all[3], false), "b\n c");
	assert_str(milter_field_value(&fields.all[3], true), " b\n c");
	assert_str(milter_field_value(&fields.all[4], true), "");
}

static void changes(void **state)
{
	(void)state;
	begin();
	milter_fields_insert(&fields, 1, STR("A: 1\n"), STR("A"));
	milter_fields_insert(&fields, 0, STR("B: 2\n"), STR("B"));
	milter_fields_insert(&fields, 99, STR("C: 3\n"), STR("C"));
	milter_fields_add(&fields, STR("D: 4\n"), STR("D"));
	milter_fields_replace(&fields,
		milter_fields_find(&fields, STR("to"), 2), STR("to: x\n"),
		STR("to"));
	milter_fields_remove(&fields,
		milter_fields_find(&fields, STR("X"), 1));
	expect("B: 2\nReceived: ours\nA: 1\nTo: a\nReceived: theirs\nto: x\n"
	       "C: 3\nD: 4\n");
}

static const struct {
	const char *value;
	bool with_space;
	const char *raw;
} made[] = {
	{ "b", false, "A: b\n" },
	{ " b", true, "A: b\n" },
	{ "b", true, "A:b\n" },
	{ "", false, "A: \n" },
	{ "b\r\n c\r\n", false, "A: b\n c\n" },
	{ "b\n\tc", false, "A: b\n\tc\n" },
	/* It cannot begin another field, nor end the header. */
	{ "b\nEvil: c", false, "A: b\n\tEvil: c\n" },
	{ "b\n\n\nc", false, "A: b\n\tc\n" },
	{ "b\rc\n \r\n", false, "A: b c\n" },
};

static void makes_fields(void **state)
{
	(void)state;
	begin();
	for (size_t i = 0; i < COUNT(made); i++)
		assert_str(milter_field_make(arena, STR("A"),
			str_from(made[i].value), made[i].with_space),
			made[i].raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hides_what_is_ours),
		cmocka_unit_test(shows_values),
		cmocka_unit_test(changes),
		cmocka_unit_test(makes_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
