#include "base/test.h"

#include "smtp/param.h"

static const struct {
	const char *in, *keyword, *value; /* no keyword: refused */
} lines[] = {
	{ "SIZE=1024 BODY=8BITMIME", "SIZE", "1024" },
	{ "SMTPUTF8", "SMTPUTF8", NULL },
	{ "AUTH=<>", "AUTH", "<>" },
	{ "x-y=\xc3\xbc", "x-y", "\xc3\xbc" },
	{ "RET=" }, { "-X=1" }, { "A=b=c" }, { "" }, { "=x" }, { "A\tB" },
	{ "A=\x01" },
};

static void takes_one_parameter(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct str in = str_from(lines[i].in);
		struct smtp_param got;

		if (smtp_param_take(&in, &got)) {
			assert_str(got.keyword, lines[i].keyword);
			assert_int_equal(str_is_none(got.value),
				!lines[i].value);
			if (lines[i].value)
				assert_str(got.value, lines[i].value);
		} else {
			assert_null(lines[i].keyword);
			assert_ptr_equal(in.p, lines[i].in); /* not moved */
		}
	}
}

static const struct {
	const char *in;
	unsigned bits; /* 0: refused */
} notifies[] = {
	{ "NEVER", 1 }, { "success,FAILURE,Delay", 14 }, { "DELAY", 8 },
	{ "NEVER,DELAY", 0 }, { "", 0 }, { "DELAY,", 0 }, { ",DELAY", 0 },
	{ "x", 0 },
};

static void notify(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(notifies); i++) {
		unsigned bits = 0;

		assert_int_equal(smtp_notify_parse(str_from(notifies[i].in),
			&bits), notifies[i].bits != 0);
		assert_int_equal(bits, notifies[i].bits);
	}
}

static void orcpt(void **state)
{
	(void)state;
	assert_true(smtp_orcpt_parse(STR("rfc822;joe+2Bx@example.org")));
	assert_true(smtp_orcpt_parse(STR("utf-8;j\xc3\xbc@example.org")));
	assert_false(smtp_orcpt_parse(STR("rfc822;")));
	assert_false(smtp_orcpt_parse(STR("rfc822;a+b")));
	assert_false(smtp_orcpt_parse(STR("joe@example.org")));
	assert_false(smtp_orcpt_parse(STR(";x")));
}

static void ret_and_envid(void **state)
{
	struct arena *arena = arena_new(0);
	char hundred[101];
	struct str envid;
	unsigned ret;

	(void)state;
	assert_true(smtp_ret_parse(STR("full"), &ret));
	assert_int_equal(ret, 1);
	assert_true(smtp_ret_parse(STR("HDRS"), &ret));
	assert_int_equal(ret, 2);
	assert_false(smtp_ret_parse(STR("HDR"), &ret));
	assert_false(smtp_ret_parse(STR(""), &ret));
	assert_true(smtp_envid_parse(arena, STR("QQ+3D1"), &envid));
	assert_str(envid, "QQ=1");
	assert_false(smtp_envid_parse(arena, STR("a+0A"), &envid));
	assert_false(smtp_envid_parse(arena, STR("a+"), &envid));
	assert_false(smtp_envid_parse(arena, STR(""), &envid));
	memset(hundred, 'x', sizeof(hundred));
	assert_true(smtp_envid_parse(arena, str_of(hundred, 100), &envid));
	assert_false(smtp_envid_parse(arena, str_of(hundred, 101), &envid));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_one_parameter),
		cmocka_unit_test(notify),
		cmocka_unit_test(orcpt),
		cmocka_unit_test(ret_and_envid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
