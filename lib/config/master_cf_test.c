#include "config/master_cf.h"

#include "base/test.h"

static struct master_cf parse(struct arena *arena, const char *text)
{
	struct master_cf cf;

	master_cf_parse(arena, str_from(text), &cf);
	return cf;
}

static void takes_rows(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct master_cf cf = parse(arena,
		"# comment\n"
		"smtp inet n - n - - smtpd\n"
		"\n"
		"submission inet n - y 60? 10 smtpd\n"
		"  -o syslog_name=postfix/submission\n"
		"# a comment ends nothing\n"
		"\n"
		"  -o { smtpd_banner = $myhostname  ESMTP } -v\n"
		"pipe  unix  -  n  n  -  0  pipe flags=R { a b { c } }\n");

	(void)state;
	assert_int_equal(cf.finding_count, 0);
	assert_int_equal(cf.count, 3);
	assert_int_equal(cf.rows[0].type, MASTER_CF_INET);
	assert_false(cf.rows[0].is_private);
	assert_true(cf.rows[0].is_unprivileged);
	assert_int_equal(cf.rows[0].maxproc, MASTER_CF_MAXPROC_DEFAULT);
	assert_int_equal(cf.rows[1].line, 4);
	assert_true(cf.rows[1].is_chroot);
	assert_int_equal(span_to_s(cf.rows[1].wakeup), 60);
	assert_true(cf.rows[1].wakeup_lazy);
	assert_int_equal(cf.rows[1].maxproc, 10);
	assert_int_equal(cf.rows[1].arg_count, 5);
	assert_str(cf.rows[1].args[1], "syslog_name=postfix/submission");
	assert_str(cf.rows[1].args[3], "smtpd_banner=$myhostname  ESMTP");
	assert_str(cf.rows[1].args[4], "-v");
	assert_true(cf.rows[2].is_private);
	assert_false(cf.rows[2].is_unprivileged);
	assert_str(cf.rows[2].args[0], "flags=R");
	assert_str(cf.rows[2].args[1], "a b { c }");
}

static const struct {
	const char *text, *finding; /* part of it */
	unsigned line;
} faults[] = {
	{ "smtp inet n - n -", "missing \"max_proc\"", 1 },
	{ "\n\nsmtp tcp n - n - - smtpd", "bad service type", 3 },
	{ "smtp inet y - n - - smtpd", "cannot be private", 1 },
	{ "smtp inet x - n - - smtpd", "bad private", 1 },
	{ "a unix - - n 5x - smtp", "bad wakeup", 1 },
	{ "a unix - - n - many smtp", "bad max_proc", 1 },
	{ "a unix - - n - 99999999999 smtp", "bad max_proc", 1 },
	{ "../a unix - - n - - smtp", "bad service name", 1 },
	{ "a unix - - n - - /bin/sh", "bad command", 1 },
	{ "a unix - - n - - smtp -o", "-o without", 1 },
	{ "a unix - - n - - smtp -o b", "bad -o", 1 },
	{ "a unix - - n - - smtp -o { b c = d }", "bad -o", 1 },
	{ "a unix - - n - - smtp { b", "has no }", 1 },
	{ "a unix - - n - - smtp {b}c", "without a blank", 1 },
	{ "::1:25 inet n - n - - smtpd", "bad service name", 1 },
	{ "[::1]25 inet n - n - - smtpd", "bad service name", 1 },
	{ "99999 inet n - n - - smtpd", "bad service name", 1 },
};

static void names_faults(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct master_cf cf = parse(arena, faults[i].text);

		assert_int_equal(cf.count, 0);
		assert_int_equal(cf.finding_count, 1);
		assert_true(cf.findings[0].is_error);
		assert_int_equal(cf.findings[0].line, faults[i].line);
		assert_true(str_find(cf.findings[0].text,
				    str_from(faults[i].finding)) != SIZE_MAX);
	}
}

static void last_of_duplicates_counts(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct master_cf cf = parse(arena,
		" x\na unix - - n - 1 one\na inet n - n - - two\n"
		"a unix - - n - 2 three\n");

	(void)state;
	assert_int_equal(cf.count, 2);
	assert_int_equal(cf.finding_count, 2);
	assert_false(cf.findings[1].is_error);
	assert_str(master_cf_find(&cf, STR("a"), MASTER_CF_UNIX)
			   ->column[MASTER_CF_COMMAND], "three");
	assert_null(master_cf_find(&cf, STR("b"), MASTER_CF_UNIX));
}

static const struct {
	const char *service, *host, *port;
} endpoints[] = {
	{ "smtp", "", "smtp" },
	{ "127.0.0.1:2525", "127.0.0.1", "2525" },
	{ "[2001:db8::1]:smtp", "2001:db8::1", "smtp" },
	{ ":25", "", "25" },
	{ "mail.example.org:25", "mail.example.org", "25" },
};

static void splits_endpoints(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		struct str host, port;

		assert_true(master_cf_parse_inet(
			str_from(endpoints[i].service), &host, &port));
		assert_str(host, endpoints[i].host);
		assert_str(port, endpoints[i].port);
	}
}

static void knows_lists(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct master_cf cf = parse(arena, "smtp inet n - n - - smtpd");

	(void)state;
	assert_true(master_cf_is_listed(cf.rows, STR("inet")));
	assert_true(master_cf_is_listed(cf.rows, STR("a/unix, smtp/inet")));
	assert_true(master_cf_is_listed(cf.rows, STR("smtp.inet")));
	assert_false(master_cf_is_listed(cf.rows, STR("!smtp/inet inet")));
	assert_false(master_cf_is_listed(cf.rows, STR("smtp/unix smtp")));
	assert_false(master_cf_is_listed(cf.rows, STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_rows),
		cmocka_unit_test(names_faults),
		cmocka_unit_test(last_of_duplicates_counts),
		cmocka_unit_test(splits_endpoints),
		cmocka_unit_test(knows_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
