/*
 * A queue with room for our own notifications only: MAIL is refused, before
 * anything of the message has come.
 */
#include "base/test.h"

#define main smtpd_main
int smtpd_main(int argc, char **argv);
#include "smtpd/smtpd.c"
#undef main

#include "smtpd/session_stand.h"

static struct status take(void *context, const struct stand_message *m)
{
	(void)context;
	session_look(m);
	return STATUS_OK;
}

static struct stand_queue queue = { .take = take, .space = 1 };

static void run_client(struct client *client, void *context)
{
	(void)context;
	session(server.conf, client);
}

static void begin_mail(void *context)
{
	auto_buf struct buf replies = { 0 };
	struct stand stand;

	(void)context;
	stand_begin(&stand, run_client, NULL);
	stand_play(stand.fd, STR("\1wEHLO c.example\r\n\1w"), false, NULL, NULL);
	stand_play(stand.fd, STR("MAIL FROM:<a@b.example>\r\n\1w"), false,
		&replies, NULL);
	assert_str(buf_str(&replies),
		"452 4.3.1 Insufficient system storage\r\n");
	buf_clear(&replies);
	stand_play(stand.fd, STR("RCPT TO:<joe@example.org>\r\n\1w"), false,
		&replies, NULL);
	assert_true(str_starts(buf_str(&replies), STR("503 ")));
	assert_true(stand_end(&stand));
	io_stop();
}

static void no_mail_begins(void **state)
{
	/* The notice to postmaster would be a message, too. */
	static const char *const more[] = { "notify_classes=", NULL };

	(void)state;
	session_open(&smtpd, &queue, more);
	io_run(begin_mail, NULL);
	assert_int_equal(queue.taken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_mail_begins) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
