#include "base/test.h"

#include "maps/template.h"

static const struct {
	const char *template, *value, *key, *text; /* no text: left out */
} cases[] = {
	{ "select '%s'", "user@example.org", NULL, "select 'user@example.org'" },
	{ "%u at %d", "user@example.org", NULL, "user at example.org" },
	{ "%u", "user", NULL, "user" },
	{ "%d", "user", NULL, NULL },
	{ "%u", "@example.org", NULL, NULL },
	{ "%d", "user@", NULL, NULL },
	{ "%u|%d", "a@b@example.org", NULL, "a@b|example.org" },
	{ "%1 %2 %3", "u@mail.example.com", NULL, "com example mail" },
	{ "%4", "u@mail.example.com", NULL, NULL },
	{ "%1", "u@.com", NULL, "com" },
	{ "%2", "u@.com", NULL, NULL },
	{ "%1", "user", NULL, NULL },
	{ "100%%", "x", NULL, "100%" },
	{ "%s:%S %U %D %1", "box", "u@example.org", "box:u@example.org u "
						     "example.org org" },
	{ "%u@%D", "box@other.example", "u@example.org", "box@example.org" },
	{ "%d", "box", "u@example.org", NULL },
	{ "%S", "key", NULL, "key" },
	{ "%x", "key", NULL, NULL },
};

static bool quote(void *context, struct str text, struct buf *out)
{
	(void)context;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\'')
			buf_char(out, '\'');
		buf_char(out, text.p[i]);
	}
	return text.p[0] != '!';
}

static void formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		auto_buf struct buf out = { 0 };

		if (!template_format(str_from(cases[i].template),
			    str_from(cases[i].value), str_from(cases[i].key),
			    NULL, &out)) {
			assert_null(cases[i].text);
			continue;
		}
		assert_non_null(cases[i].text);
		assert_str(buf_str(&out), cases[i].text);
	}
}

static void quotes(void **state)
{
	const struct template_quoting quoting = { .quote = quote };
	auto_buf struct buf out = { 0 };

	(void)state;
	assert_true(template_format(STR("x = '%u' or '%d'"),
		STR("o'x@' or ''='"), STR_NONE, &quoting, &out));
	assert_str(buf_str(&out), "x = 'o''x' or ''' or ''''='''");
	assert_false(template_format(STR("%s"), STR("!x"), STR_NONE, &quoting,
		&out));
}

static void finds_faults(void **state)
{
	(void)state;
	assert_null(template_fault(STR("%s %u %d %S %U %D %1 %9 %%")));
	assert_non_null(template_fault(STR("x%")));
	assert_non_null(template_fault(STR("%0")));
	assert_non_null(template_fault(STR("like '%x'")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(quotes),
		cmocka_unit_test(finds_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
