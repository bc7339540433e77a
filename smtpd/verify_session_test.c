/*
 * Sessions whose addresses are verified: what a client is told, whatever
 * verify(8) answers, and if it goes away.
 */
#include "base/test.h"

#define main smtpd_main
int smtpd_main(int argc, char **argv);
#include "smtpd/smtpd.c"
#undef main

#include "rewrite/probe.h"
#include "smtpd/session_stand.h"

static struct {
	uint64_t result;
	const char *text;
	unsigned deaths;  /* calls that end before an answer */
	unsigned asked;
	uint64_t wait_ms; /* as asked last */
} verify;

static void serve_verify(struct call *call, void *context)
{
	struct msg_verify_query m;
	struct msg_verified answer = { .result = verify.result,
		.text = str_from(verify.text) };

	(void)context;
	if (!msg_verify_query_recv(call, &m, span_s(5)))
		return;
	verify.asked++;
	verify.wait_ms = m.wait_ms;
	if (verify.deaths > 0)
		verify.deaths--;
	else
		(void)!msg_verified_send(call, &answer);
}

static struct status take(void *context, const struct stand_message *m)
{
	(void)context;
	session_look(m);
	return STATUS_OK;
}

static void open_once(void)
{
	static struct stand_queue queue = { .take = take };
	static const char *const more[] = {
		"smtpd_relay_restrictions=reject_unauth_destination",
		"smtpd_recipient_restrictions=reject_unverified_recipient",
		"smtpd_sender_restrictions="
		"reject_unverified_sender", "address_verify_poll_count=3",
		"address_verify_poll_delay=2", "myorigin=example.org",
		"unverified_recipient_reject_code=550", NULL };
	static bool is_open;

	if (!is_open) {
		session_open(&smtpd, &queue, more);
		stand_peer("verify", serve_verify, NULL);
	}
	is_open = true;
}

static void run_client(struct client *client, void *context)
{
	(void)context;
	session(server.conf, client);
}

static const struct {
	uint64_t result;
	const char *text;
	unsigned deaths;
	const char *sender, *recipient;
	unsigned asked;
	const char *reply;
} cases[] = {
	{ PROBE_DELIVERABLE, "Ok", 0, "a@b.example", "joe@example.org", 2,
		"250 2.1.5 " },
	{ PROBE_DELIVERABLE, "Ok", 0, "", "joe@example.org", 1,
		"250 2.1.5 " },
	{ PROBE_UNDELIVERABLE, "no such user", 0, "", "joe@example.org", 1,
		"550 5.1.1 <joe@example.org>: Recipient address rejected: "
		"undeliverable address: no such user" },
	{ PROBE_UNDELIVERABLE, "no such user", 0, "a@b.example",
		"joe@example.org", 1, "450 4.1.7 <a@b.example>: Sender "
		"address rejected: unverified address: no such user" },
	{ PROBE_DEFERRED, "come again", 0, "", "joe@example.org", 1,
		"450 4.1.1 <joe@example.org>: Recipient address rejected: "
		"unverified address: come again" },
	/* nothing that anybody knows is not yet known */
	{ 77, "?", 0, "", "joe@example.org", 1, "450 4.1.1 " },
	/* one that dies is asked again */
	{ PROBE_DELIVERABLE, "Ok", 2, "", "joe@example.org", 3,
		"250 2.1.5 " },
	{ PROBE_UNDELIVERABLE, "no", 0, "", "double-bounce@example.org", 0,
		"250 2.1.5 " },
};

static struct str last_line(struct str text)
{
	struct str line = STR("");

	while (text.len > 0)
		line = str_take_until(&text, '\n');
	return line;
}

static void run_case(size_t i)
{
	auto_arena struct arena *arena = arena_new(0);
	auto_buf struct buf replies = { 0 };
	struct stand stand;

	verify.result = cases[i].result;
	verify.text = cases[i].text;
	verify.deaths = cases[i].deaths;
	verify.asked = 0;
	stand_begin(&stand, run_client, NULL);
	stand_play(stand.fd, arena_fmt(arena, "\1wEHLO c.example\r\n\1w"
		"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n\1w", cases[i].sender,
		cases[i].recipient), false, &replies, NULL);
	while (verify.deaths > 0 || !str_starts(last_line(buf_str(&replies)),
			str_from(cases[i].reply))) {
		size_t before = replies.len;

		stand_play(stand.fd, STR("\1w"), false, &replies, NULL);
		if (verify.deaths == 0 && replies.len == before &&
			!io_sleep(span_ms(10)))
			break;
	}
	assert_true(str_starts(last_line(buf_str(&replies)),
		str_from(cases[i].reply)));
	assert_int_equal(verify.asked, cases[i].asked);
	assert_true(stand_end(&stand));
}

static void run_cases(void *context)
{
	(void)context;
	for (size_t i = 0; i < COUNT(cases); i++)
		run_case(i);
	assert_in_range(verify.wait_ms, 1, 2 * 2000);
	io_stop();
}

static void tells_clients(void **state)
{
	(void)state;
	open_once();
	io_run(run_cases, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tells_clients) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
