#include "base/test.h"

#include "smtp/command.h"

static void verbs(void **state)
{
	struct smtp_command c;

	(void)state;
	assert_true(smtp_command_parse(STR(" mail  FROM:<> "), &c));
	assert_str(c.verb, "mail");
	assert_str(c.arguments, "FROM:<>");
	assert_true(smtp_command_parse(STR("QUIT"), &c));
	assert_int_equal(c.arguments.len, 0);
	assert_false(smtp_command_parse(STR("   "), &c));
	assert_false(smtp_command_parse(STR(""), &c));
}

static void keywords(void **state)
{
	struct str in = STR("from : <x>"), no = STR("TO<x>");

	(void)state;
	assert_true(smtp_keyword_take(&in, "FROM"));
	assert_str(in, "<x>");
	assert_false(smtp_keyword_take(&no, "TO"));
	assert_str(no, "TO<x>");
}

static const struct {
	const char *in;
	bool ok, last;
	uint64_t octets;
} bdats[] = {
	{ "86 LAST", true, true, 86 },
	{ "0", true, false, 0 },
	{ "0 last", true, true, 0 },
	{ "9223372036854775807", true, false, INT64_MAX },
	{ "9223372036854775808" }, { "-1" }, { "+1" }, { "0x10" }, { "1 2" },
	{ "" }, { "LAST" }, { "10 LAST x" }, { "1e3" },
};

static void chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bdats); i++) {
		struct smtp_bdat got;
		bool ok = smtp_bdat_parse(str_from(bdats[i].in), &got);

		assert_int_equal(ok, bdats[i].ok);
		if (!ok)
			continue;
		assert_int_equal(got.octets, bdats[i].octets);
		assert_int_equal(got.is_last, bdats[i].last);
	}
}

static void hello(void **state)
{
	(void)state;
	assert_true(smtp_is_hello(STR("mail.example.org")));
	assert_true(smtp_is_hello(STR("[192.0.2.1]")));
	assert_true(smtp_is_hello(STR("b\xc3\xbc" "cher.example")));
	assert_false(smtp_is_hello(STR("")));
	assert_false(smtp_is_hello(STR("a b")));
	assert_false(smtp_is_hello(STR("a(b)")));
	assert_false(smtp_is_hello(STR("a\nb")));
	assert_false(smtp_is_hello(STR("\xff")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello),
		cmocka_unit_test(verbs),
		cmocka_unit_test(keywords),
		cmocka_unit_test(chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
