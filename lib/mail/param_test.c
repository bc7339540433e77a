#include "base/test.h"

#include "mail/param.h"

static const struct {
	const char *in, *name, *value;
} params[] = {
	{ "; charset=utf-8; name=\"a b\"", "name", "a b" },
	{ "; charset=utf-8; name=\"a b\"", "CHARSET", "utf-8" },
	{ " ; (c) x = y (d)", "x", "y" },
	{ ";x=\"a\\\"b\"", "x", "a\"b" },
	{ ";name*=utf-8'en'caf%C3%A9", "name", "caf\xc3\xa9" },
	{ ";name*=iso-8859-1''caf%E9", "name", "caf\xc3\xa9" },
	{ ";n*0=a; n*1=b; n*2=\"c d\"", "n", "abc d" },
	{ ";n*1=b; n*0=a", "n", "ab" },
	{ ";n*0*=utf-8''%41; n*1=%42; n*2*=%43", "n", "A%42C" },
	{ ";n*1=b", "n", "" },
	{ ";boundary=a=b", "boundary", "a=b" },
	{ ";junk; x=1", "x", "1" },
	{ ";name=two words", "name", "two" },
	{ ";x=1;x=2", "x", "1" },
	{ ";x*=%4", "x", "%4" },
};

static void parses(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(params); i++) {
		struct mail_params got;

		mail_params_parse(arena, str_from(params[i].in), &got);
		assert_str(mail_params_find(&got, params[i].name),
			params[i].value);
	}
	arena_free(arena);
}

static void is_bounded(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf in = BUF_IN(arena);
	struct mail_params got;

	(void)state;
	for (int i = 0; i < 5000; i++)
		buf_fmt(&in, ";n%d=x", i);
	mail_params_parse(arena, buf_str(&in), &got);
	assert_int_equal(got.count, MAIL_PARAMS_MOST);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
