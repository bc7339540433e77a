#include "smtpd/policy.h"

#include "base/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
	const char *in, *endpoint, *action; /* no endpoint: refused */
	int64_t tries;
	int timeout_s;
} settings[] = {
	{ "inet:127.0.0.1:10000",                 "inet:127.0.0.1:10000" },
	{ "unix:private/policy",                  "unix:private/policy" },
	{ "{ unix:p, timeout = 5s, try_limit=1 }", "unix:p", NULL, 1, 5 },
	{ "{unix:p, {default_action = 450 4.3.0 later, please}}",
	  "unix:p", "450 4.3.0 later, please" },
	{ "{unix:p, default_action = {DUNNO}}",   "unix:p", "{DUNNO}" },
	{ "{unix:p,}",                            "unix:p" },
	{ "" }, { "{" }, { "{}" }, { "host" }, { "{unix:p, what=ever}" },
	{ "{unix:p, timeout=soon}" }, { "{unix:p, try_limit=-1}" },
	{ "{unix:p, try_limit=99999999999999999999}" }, { "{unix:p, {}}" },
};

static void settings_are_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(settings); i++) {
		struct policy_options got = { 0 };

		if (!policy_options_parse(&got, str_from(settings[i].in))) {
			assert_null(settings[i].endpoint);
			continue;
		}
		assert_str(got.endpoint, settings[i].endpoint);
		if (settings[i].action)
			assert_str(got.default_action, settings[i].action);
		assert_int_equal(got.try_limit, settings[i].tries);
		assert_int_equal(got.timeout.us,
			span_s(settings[i].timeout_s).us);
	}
}

static const struct {
	const char *in, *action; /* no action: failed so */
	int error;
} answers[] = {
	{ "action=DUNNO\n\n",                       "DUNNO" },
	{ "action= defer_if_permit wait \r\n\r\n",  "defer_if_permit wait" },
	{ "x=y\naction=OK\nz\n\naction=REJECT\n\n", "OK" },
	{ "action=OK\naction=REJECT no\n\n",        "REJECT no" },
	{ "\n",            NULL, EPROTO },
	{ "action=\n\n",   NULL, EPROTO },
	{ "action=OK\n",   NULL, 0 }, /* ends before its end */
	{ "",              NULL, 0 },
};

static bool ask(struct arena *arena, struct str in, struct str *action)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[1], in.p, in.len), (ssize_t)in.len);
	close(pair[1]);
	errno = 0;
	return policy_answer_take(stream_open(arena, pair[0]), arena, action);
}

static void answers_are_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct str action;

		if (ask(arena, str_from(answers[i].in), &action)) {
			assert_str(action, answers[i].action);
		} else {
			assert_int_equal(errno, answers[i].error);
			assert_null(answers[i].action);
		}
	}
}

static void an_endless_answer_is_none(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct buf in = BUF_IN(arena);
	struct str action;

	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_fmt(&in, "n%d=v\n", i);
	buf_fmt(&in, "action=OK\n\n");
	assert_false(ask(arena, buf_str(&in), &action));
	assert_int_equal(errno, EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_parsed),
		cmocka_unit_test(answers_are_taken),
		cmocka_unit_test(an_endless_answer_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
