#include "mail/verp.h"

#include "base/test.h"

static const struct {
	const char *delimiters, *sender, *recipient, *wanted;
} cases[] = {
	{ "+=", "list@example.org", "joe@example.com",
		"list+joe=example.com@example.org" },
	{ "-=", "list@example.org", "joe+x@example.com",
		"list-joe+x=example.com@example.org" },
	{ "+=", "list", "joe", "list+joe" },
	{ "+=", "list@example.org", "joe", "list+joe@example.org" },
	{ "+=", "", "joe@example.com", "" },
	{ "+", "list@example.org", "joe@example.com", "list@example.org" },
};

static void each_recipient_has_its_sender(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_str(mail_verp_sender(arena,
				   str_from(cases[i].delimiters),
				   str_from(cases[i].sender),
				   str_from(cases[i].recipient)),
			cases[i].wanted);
	arena_free(arena);
}

static void delimiters_are_two_that_are_allowed(void **state)
{
	(void)state;
	assert_true(mail_verp_is_valid(STR("+="), STR("-=+")));
	assert_true(mail_verp_is_valid(STR("--"), STR("-=+")));
	assert_false(mail_verp_is_valid(STR("+"), STR("-=+")));
	assert_false(mail_verp_is_valid(STR("+=-"), STR("-=+")));
	assert_false(mail_verp_is_valid(STR("+@"), STR("-=+")));
	assert_false(mail_verp_is_valid(STR(""), STR("-=+")));
	assert_false(mail_verp_is_valid(STR("+="), STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_recipient_has_its_sender),
		cmocka_unit_test(delimiters_are_two_that_are_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
