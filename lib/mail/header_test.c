#include "base/test.h"

#include "mail/header.h"

static void takes_fields(void **state)
{
	struct str in = STR("Subject : one\r\n two\r\n\tthree\r\nTo:\n"
		"X-Empty: \n\nbody: no");
	struct mail_header h;
	struct arena *arena = arena_new(0);

	(void)state;
	assert_true(mail_header_take(&in, &h));
	assert_str(h.name, "Subject");
	assert_str(h.body, "one\r\n two\r\n\tthree");
	assert_str(h.raw, "Subject : one\r\n two\r\n\tthree\r\n");
	assert_str(mail_header_unfold(arena, h.body), "one two\tthree");
	assert_true(mail_header_take(&in, &h));
	assert_true(mail_header_is(&h, "to"));
	assert_str(h.body, "");
	assert_true(mail_header_take(&in, &h));
	assert_false(mail_header_take(&in, &h));
	assert_true(mail_header_take_end(&in));
	assert_str(in, "body: no");
	arena_free(arena);
}

static const struct {
	const char *message;
	size_t length;
	bool complete;
} headers[] = {
	{ "A: b\n\nbody", 6, true },
	{ "A: b\r\n\r\n", 8, true },
	{ "A: b\nno field\n", 5, false },
	{ " folded first\n", 0, false },
	{ "", 0, false },
	{ "\nbody", 1, true },
	{ "A: b", 4, false },
	{ "A: b\n c", 7, false },
	{ "A b: c\n", 0, false },
	{ "From x@example.org Sun\n", 0, false },
};

static void ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		bool complete;

		assert_int_equal(mail_header_length(str_from(
			headers[i].message), &complete), headers[i].length);
		assert_int_equal(complete, headers[i].complete);
	}
}

static void finds(void **state)
{
	struct mail_header h;

	(void)state;
	assert_true(mail_header_find(STR("A: 1\nB: 2\nb: 3\n\n"), "b", &h));
	assert_str(h.body, "2");
	assert_false(mail_header_find(STR("A: 1\n\nB: 2\n"), "b", &h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_fields),
		cmocka_unit_test(ends),
		cmocka_unit_test(finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
