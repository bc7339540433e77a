#include "sasl/dovecot.h"

#include "base/test.h"

static void greetings_are_read(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct dovecot_greeting greeting = { 0 };
	static const char *const lines[] = { "VERSION\t1\t2",
		"MECH\tPLAIN\tplaintext", "MECH\tLOGIN\tplaintext",
		"MECH\t", "SPID\t17", "CUID\t1", "COOKIE\tabc", "NEW\tthing" };

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_true(dovecot_greet(arena, &greeting,
			str_from(lines[i])));
		assert_false(greeting.is_done);
	}
	assert_true(dovecot_greet(arena, &greeting, STR("DONE")));
	assert_true(greeting.is_done);
	assert_int_equal(greeting.count, 2);
	assert_true(str_is(greeting.names[0], "PLAIN"));
	assert_true(str_is(greeting.names[1], "LOGIN"));
}

static void strangers_are_refused(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	static const char *const lines[] = { "VERSION\t2\t0", "VERSION\tx",
		"VERSION", "VERSION\t-1\t0", "DONE" };

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct dovecot_greeting greeting = { 0 };

		assert_false(dovecot_greet(arena, &greeting,
			str_from(lines[i])));
	}
}

static void names_are_bounded(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct dovecot_greeting greeting = { 0 };

	(void)state;
	for (size_t i = 0; i < 2 * DOVECOT_NAMES_MOST; i++)
		assert_true(dovecot_greet(arena, &greeting, STR("MECH\tX")));
	assert_int_equal(greeting.count, DOVECOT_NAMES_MOST);
}

static void requests_are_lines(void **state)
{
	auto_buf struct buf out = { 0 };
	struct dovecot_request request = {
		.mechanism = STR("PLAIN"), .service = STR("smtp"),
		.client_address = STR("192.0.2.1"),
		.server_address = STR("2001:db8::1"),
		.secured = true, .initial = STR("\0a\0b"),
	};

	(void)state;
	dovecot_hello(&out, 42);
	dovecot_auth(&out, &request);
	request = (struct dovecot_request){ .mechanism = STR("A\tB\nC"),
		.service = STR("smtp"), .initial = STR_NONE };
	dovecot_auth(&out, &request);
	request.initial = STR("");
	dovecot_auth(&out, &request);
	dovecot_continue(&out, STR("b"));
	dovecot_continue(&out, STR(""));
	dovecot_cancel(&out);
	assert_true(str_is(buf_str(&out),
		"VERSION\t1\t1\nCPID\t42\n"
		"AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=2001:db8::1\t"
		"rip=192.0.2.1\tsecured\tresp=AGEAYg==\n"
		"AUTH\t1\tA\001tB\001nC\tservice=smtp\tnologin\n"
		"AUTH\t1\tA\001tB\001nC\tservice=smtp\tnologin\tresp=\n"
		"CONT\t1\tYg==\nCONT\t1\t\nCANCEL\t1\n"));
}

static const struct {
	const char *line;
	bool is_good;
	int kind;
	const char *user, *data, *reason; /* data NULL: none */
	bool is_temporary;
} replies[] = {
	{ "OK\t1\tuser=joe@example.org", true, DOVECOT_OK, "joe@example.org",
	  NULL, "", false },
	{ "OK\t1\tuser=a\001tb\001\0011\tresp=Yg==\tnologin\tx=y", true,
	  DOVECOT_OK, "a\tb\001" "1", "b", "", false },
	{ "OK\t1", true, DOVECOT_OK, "", NULL, "", false },
	{ "FAIL\t1\tuser=joe\treason=not today", true, DOVECOT_FAIL, "joe", NULL,
	  "not today", false },
	{ "FAIL\t1\tuser=joe\ttemp", true, DOVECOT_FAIL, "joe", NULL, "", true },
	{ "FAIL\t1\tcode=temp_fail", true, DOVECOT_FAIL, "", NULL, "", true },
	{ "FAIL\t1\tresp=%", true, DOVECOT_FAIL, "", NULL, "", false },
	{ "CONT\t1\tVXNlcm5hbWU6", true, DOVECOT_CONT, "", "Username:", "", false },
	{ "CONT\t1\t", true, DOVECOT_CONT, "", "", "", false },
	{ "CONT\t1", true, DOVECOT_CONT, "", "", "", false },
	{ "MECH\tPLAIN", true, DOVECOT_OTHER, "", NULL, "", false },
	{ "", true, DOVECOT_OTHER, "", NULL, "", false },
	{ "OK\t2\tuser=joe", false, DOVECOT_OK, "", NULL, "", false },
	{ "OK", false, DOVECOT_OK, "", NULL, "", false },
	{ "OK\t1\tuser=joe\tresp=%", false, DOVECOT_OK, "joe", NULL, "", false },
	{ "CONT\t1\t%%%", false, DOVECOT_CONT, "", NULL, "", false },
};

static void replies_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct dovecot_reply reply;

		assert_int_equal(dovecot_reply_parse(arena,
			str_from(replies[i].line), &reply), replies[i].is_good);
		if (!replies[i].is_good)
			continue;
		assert_int_equal(reply.kind, replies[i].kind);
		assert_true(str_is(reply.user, replies[i].user));
		assert_true(str_is(reply.reason, replies[i].reason));
		assert_int_equal(reply.is_temporary, replies[i].is_temporary);
		assert_int_equal(str_is_none(reply.data), !replies[i].data);
		if (replies[i].data)
			assert_true(str_is(reply.data, replies[i].data));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greetings_are_read),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(requests_are_lines),
		cmocka_unit_test(replies_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
