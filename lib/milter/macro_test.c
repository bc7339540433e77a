#include "milter/macro.h"

#include "base/test.h"

static struct str find(void *context, struct str name)
{
	(void)context;
	return str_is(name, "i") ? STR("4XYZ") :
		str_is(name, "{client_addr}") ? STR("192.0.2.1") :
		str_is(name, "{empty}") ? STR("") : STR_NONE;
}

static const struct {
	const char *list, *defaults, *pairs; /* "|" for NUL */
} cases[] = {
	{ "i {client_addr}", "", "i|4XYZ|{client_addr}|192.0.2.1|" },
	{ "client_addr, i", "", "{client_addr}|192.0.2.1|i|4XYZ|" },
	{ "j {empty}", "", "{empty}||" },
	{ "j {empty} i y", "j=mail.example.org i=no {empty}=x {y}=2",
		"j|mail.example.org|{empty}||i|4XYZ|y|2|" },
	{ "{auth_type}", "{ auth_type = two words }",
		"{auth_type}|two words|" },
	{ "{a}", "{{a} = b}", "{a}|b|" },
	{ "", "i=4", "" },
};

static void finds_values(void **state)
{
	const struct milter_finder finder = { find, NULL };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_buf struct buf out = { 0 };

		milter_macros_format(&out, str_from(cases[i].list),
			str_from(cases[i].defaults), &finder);
		for (size_t at = 0; at < out.len; at++)
			if (!out.p[at])
				out.p[at] = '|';
		assert_str(buf_str(&out), cases[i].pairs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
