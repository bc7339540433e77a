/*
 * service/cancel_test - the frame of a daemon's cancel_test, which includes its
 * session_fuzz.c, says what `cuts` are and what CONTEXT is (run_client's; the
 * daemon is open then), and includes this: a session that is ended, by SIGTERM
 * or a timeout, in the middle of a message or an exchange says 421 and no more,
 * whatever the client sends in the same moment.
 */
#include "base/test.h"

#include <unistd.h>

static struct fiber *fiber;

static void keep_fiber(struct client *client, void *context)
{
	fiber = io_self();
	run_client(client, context);
}

static struct str last_line(struct str text)
{
	struct str line = STR("");

	while (text.len > 0)
		line = str_take_until(&text, '\n');
	return line;
}

static void cut(size_t i)
{
	auto_buf struct buf before = { 0 }, after = { 0 };
	struct stand stand;
	struct str rest = str_from(cuts[i].rest), replies, line;

	stand_begin(&stand, keep_fiber, CONTEXT);
	stand_play(stand.fd, str_from(cuts[i].script), false, &before, NULL);
	assert_true(str_starts(last_line(buf_str(&before)),
		str_from(cuts[i].reply)));
	assert_int_equal(write(stand.fd, rest.p, rest.len), (ssize_t)rest.len);
	io_cancel(fiber);
	stand_play(stand.fd, STR("\1w"), false, &after, NULL);
	replies = buf_str(&after);
	line = str_take_until(&replies, '\n');
	assert_true(str_starts(line, STR("421 4.3.2 ")));
	assert_int_equal(replies.len, 0);
	assert_true(stand_end(&stand));
}

static void run_cuts(void *context)
{
	(void)context;
	for (size_t i = 0; i < COUNT(cuts); i++)
		cut(i);
	io_stop();
}

static void what_follows_is_no_command(void **state)
{
	(void)state;
	(void)CONTEXT;
	io_run(run_cuts, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_follows_is_no_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
