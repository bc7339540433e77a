/*
 * What cleanup does for a message: N submissions of one recipient and 4 KB,
 * one after the other, into a journal below the folder given; its instructions
 * are counted from outside (tests/cost_test.py).
 *
 *	intake_cost N FOLDER
 */
#define main cleanup_main
int cleanup_main(int argc, char **argv);
#include "cleanup/cleanup.c"
#undef main

#include "queue/submit.h"
#include "service/stand.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LINES = 56, /* of 72 octets */
};

static int left;
static struct buf content;

/* It is told of each message, and frees none. */
static void serve_qmgr(struct call *call, void *context)
{
	struct msg_queued queued;

	(void)context;
	while (msg_queued_recv(call, &queued, SPAN_FOREVER))
		;
}

static void serve_cleanup(struct call *call, void *context)
{
	(void)context;
	serve(cleanup.conf, call);
}

static void submit_one(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_submission facts = {
		.sender = STR("sender@example.net"), .encoding = STR("8bit"),
		.client_name = STR("client.example.net"),
		.client_address = STR("192.0.2.1"), .client_port = STR("1025"),
		.helo = STR("client.example.net"), .protocol = STR("ESMTP"),
		.arrival_us = (uint64_t)wall_us(), .sasl_method = STR_NONE,
		.sasl_username = STR_NONE, .sasl_sender = STR_NONE,
		.content_filter = STR_NONE, .full_name = STR_NONE,
		.redirect = STR_NONE, .verp = STR_NONE, .dsn_envid = STR_NONE,
	};
	const struct msg_recipient recipient = {
		.address = STR("joe@example.org"), .orig = STR_NONE,
		.orcpt = STR_NONE,
	};
	struct submission *submission;

	if (!status_is_ok(submit_id(arena, false, &facts.queue_id)))
		panic("no queue ID");
	submission = submission_open(arena, &facts);
	submission_recipient(submission, &recipient);
	(void)!submission_write(submission, buf_str(&content));
	if (submission_commit(submission).code != 250)
		panic("not accepted");
}

static void run(void *context)
{
	(void)context;
	start(cleanup.conf);
	while (left-- > 0)
		submit_one();
	io_stop();
}

int main(int argc, char **argv)
{
	char directory[512];
	const char *settings[] = { directory, "mydestination=example.org",
		NULL };

	if (argc != 3)
		log_fatal("usage: intake_cost N FOLDER");
	snprintf(directory, sizeof(directory), "queue_directory=%s", argv[2]);
	left = atoi(argv[1]);
	buf_text(&content, "From: sender@example.net\nTo: joe@example.org\n"
			   "Message-ID: <1@example.net>\nSubject: cost\n\n");
	for (int i = 0; i < LINES; i++)
		buf_text(&content, "Some text that is long enough for a line "
				   "of a message, and a little more\n");
	stand_open(&service, conf_for_test(arena_new(0), settings));
	stand_peer("qmgr", serve_qmgr, NULL);
	stand_peer("cleanup", serve_cleanup, NULL);
	io_run(run, NULL);
	return 0;
}
