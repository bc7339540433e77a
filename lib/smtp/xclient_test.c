#include "base/test.h"

#include "smtp/xclient.h"

static const struct {
	const char *in; /* one attribute */
	int at;
	const char *value; /* NULL: known not to be known */
} good[] = {
	{ "NAME=host.example.com", XCLIENT_NAME, "host.example.com" },
	{ "name=[UNAVAILABLE]", XCLIENT_NAME, NULL },
	{ "REVERSE_NAME=a.example", XCLIENT_REVERSE_NAME, "a.example" },
	{ "ADDR=192.0.2.1", XCLIENT_ADDR, "192.0.2.1" },
	{ "ADDR=IPV6:2001:db8:0::1", XCLIENT_ADDR, "2001:db8::1" },
	{ "PORT=65535", XCLIENT_PORT, "65535" },
	{ "PROTO=esmtp", XCLIENT_PROTO, "esmtp" },
	{ "HELO=[192.0.2.1]", XCLIENT_HELO, "[192.0.2.1]" },
	{ "LOGIN=joe+2Bx", XCLIENT_LOGIN, "joe+x" },
	{ "DESTADDR=192.0.2.2", XCLIENT_DESTADDR, "192.0.2.2" },
	{ "DESTPORT=24", XCLIENT_DESTPORT, "24" },
};

static void one_attribute(void **state)
{
	struct arena *arena = arena_new(0);
	struct smtp_xclient x;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_true(smtp_xclient_parse(arena, str_from(good[i].in),
			&x));
		assert_int_equal(x.given, 1 << good[i].at);
		assert_int_equal(x.temporary, 0);
		if (good[i].value)
			assert_str(x.values[good[i].at], good[i].value);
		else
			assert_true(str_is_none(x.values[good[i].at]));
	}
	arena_free(arena);
}

static void several(void **state)
{
	struct arena *arena = arena_new(0);
	struct smtp_xclient x;

	(void)state;
	assert_true(smtp_xclient_parse(arena,
		STR("NAME=[TEMPUNAVAIL]  ADDR=192.0.2.1 PROTO=SMTP"), &x));
	assert_int_equal(x.given,
		1 << XCLIENT_NAME | 1 << XCLIENT_ADDR | 1 << XCLIENT_PROTO);
	assert_int_equal(x.temporary, 1 << XCLIENT_NAME);
	/* The last one counts. */
	assert_true(smtp_xclient_parse(arena, STR("NAME=a NAME=b"), &x));
	assert_str(x.values[XCLIENT_NAME], "b");
	arena_free(arena);
}

static void forwarded(void **state)
{
	struct arena *arena = arena_new(0);
	struct smtp_xclient x, more;

	(void)state;
	assert_true(smtp_xforward_parse(arena,
		STR("NAME=a.example IDENT=x+20y+0A SOURCE=LOCAL"), &x));
	assert_str(x.values[XFORWARD_IDENT], "x?y?");
	assert_str(x.values[XFORWARD_SOURCE], "LOCAL");
	assert_true(smtp_xforward_parse(arena,
		STR("NAME=[UNAVAILABLE] ADDR=192.0.2.1"), &more));
	smtp_xclient_add(&x, &more);
	assert_true(str_is_none(x.values[XCLIENT_NAME]));
	assert_str(x.values[XCLIENT_ADDR], "192.0.2.1");
	assert_str(x.values[XFORWARD_SOURCE], "LOCAL");
	assert_int_equal(x.given, 1 << XCLIENT_NAME | 1 << XCLIENT_ADDR |
		1 << XFORWARD_IDENT | 1 << XFORWARD_SOURCE);
	arena_free(arena);
}

/* What Debian's Postfix 3.7 answers. */
static const struct {
	const char *in, *problem;
	bool (*parse)(struct arena *arena, struct str arguments,
		struct smtp_xclient *x);
} problems[] = {
	{ "", "Syntax: XCLIENT attribute=value...", smtp_xclient_parse },
	{ "FOO=1", "Bad XCLIENT attribute name: FOO", smtp_xclient_parse },
	{ "NAME", "Error: attribute=value expected", smtp_xclient_parse },
	{ "ADDR=junk", "Bad ADDR syntax: junk", smtp_xclient_parse },
	{ "IDENT=x", "Bad XCLIENT attribute name: IDENT", smtp_xclient_parse },
	{ "LOGIN=x", "Bad XFORWARD attribute name: LOGIN",
		smtp_xforward_parse },
	{ "SOURCE=x", "Bad SOURCE syntax: x", smtp_xforward_parse },
};

static void says_what_is_wrong(void **state)
{
	struct arena *arena = arena_new(0);
	struct smtp_xclient x;

	(void)state;
	for (size_t i = 0; i < COUNT(problems); i++) {
		assert_false(problems[i].parse(arena,
			str_from(problems[i].in), &x));
		assert_str(x.problem, problems[i].problem);
	}
	arena_free(arena);
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"", " ", "NAME", "NAME=", "NAME=a+", "NAME=a+0A", "X=y",
		"NAME=[x", "ADDR=host.example.com", "ADDR=192.0.2.256",
		"PORT=65536", "PORT=-1", "PROTO=HTTP", "HELO=a+20b", "LOGIN=a+00", "=x",
		"NAME=a ADDR",
	};
	struct arena *arena = arena_new(0);
	struct smtp_xclient x;
	char text[300] = "NAME=";

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(smtp_xclient_parse(arena, str_from(bad[i]), &x));
	/* limit: XCLIENT_VALUE_MOST */
	memset(text + 5, 'a', XCLIENT_VALUE_MOST + 1);
	assert_true(smtp_xclient_parse(arena,
		str_of(text, 5 + XCLIENT_VALUE_MOST), &x));
	assert_false(smtp_xclient_parse(arena,
		str_of(text, 6 + XCLIENT_VALUE_MOST), &x));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_attribute),
		cmocka_unit_test(several),
		cmocka_unit_test(forwarded),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
