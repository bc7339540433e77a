#include "base/test.h"

#include "mail/address.h"

static const struct {
	const char *internal, *external;
} forms[] = {
	{ "joe@example.org", "joe@example.org" },
	{ "joe blow@example.org", "\"joe blow\"@example.org" },
	{ "a@b@example.org", "\"a@b\"@example.org" },
	{ "a\"b\\c@example.org", "\"a\\\"b\\\\c\"@example.org" },
	{ ".joe@example.org", "\".joe\"@example.org" },
	{ "joe..x@example.org", "\"joe..x\"@example.org" },
	{ "@example.org", "\"\"@example.org" },
	{ "j\xc3\xbcrgen@example.org", "j\xc3\xbcrgen@example.org" },
	{ "joe", "joe" },
	{ "", "" },
};

static void changes_form(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		assert_str(mail_address_external(arena,
			str_from(forms[i].internal)), forms[i].external);
		assert_str(mail_address_internal(arena,
			str_from(forms[i].external)), forms[i].internal);
	}
	arena_free(arena);
}

static const struct {
	const char *address, *delimiters, *user, *extension, *domain;
	const char *stripped;
} splits[] = {
	{ "joe+x@example.org", "+", "joe", "x", "example.org",
		"joe@example.org" },
	{ "joe-x+y@example.org", "+-", "joe", "x+y", "example.org",
		"joe@example.org" },
	{ "joe", "+", "joe", NULL, NULL, "joe" },
	{ "joe+", "+", "joe", "", NULL, "joe" },
	{ "+joe@example.org", "+", "+joe", NULL, "example.org",
		"+joe@example.org" },
	{ "owner-list@example.org", "-", "owner-list", NULL, "example.org",
		"owner-list@example.org" },
	{ "list-request@example.org", "-", "list-request", NULL,
		"example.org", "list-request@example.org" },
	{ "MAILER-DAEMON@example.org", "-", "MAILER-DAEMON", NULL,
		"example.org", "MAILER-DAEMON@example.org" },
	{ "a@b+c@example.org", "+", "a@b", "c", "example.org",
		"a@b@example.org" },
	{ "joe+x@example.org", "", "joe+x", NULL, "example.org",
		"joe+x@example.org" },
};

static void splits_addresses(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(splits); i++) {
		struct str address = str_from(splits[i].address);
		struct str delimiters = str_from(splits[i].delimiters);
		struct mail_address parts;

		mail_address_split(address, delimiters, true, &parts);
		assert_str(parts.user, splits[i].user);
		assert_int_equal(str_is_none(parts.extension),
			!splits[i].extension);
		if (splits[i].extension)
			assert_str(parts.extension, splits[i].extension);
		assert_int_equal(str_is_none(parts.domain),
			!splits[i].domain);
		if (splits[i].domain)
			assert_str(parts.domain, splits[i].domain);
		assert_str(mail_address_strip(arena, address, delimiters,
			true), splits[i].stripped);
	}
	arena_free(arena);
}

static void compares(void **state)
{
	(void)state;
	assert_true(mail_address_eq(STR("a@EXAMPLE.org"), STR("a@example.ORG")));
	assert_false(mail_address_eq(STR("A@example.org"),
		STR("a@example.org")));
	assert_false(mail_address_eq(STR("a"), STR("a@")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_form),
		cmocka_unit_test(splits_addresses),
		cmocka_unit_test(compares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
