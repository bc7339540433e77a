/*
 * What cleanup refuses by itself, whoever asks: content that is larger than
 * message_size_limit, and mail for which there is no room on the disk. smtpd
 * looks at both before; sendmail, pickup and others may not.
 */
#define main cleanup_main
int cleanup_main(int argc, char **argv);
#include "cleanup/cleanup.c"
#undef main

#include "base/test.h"
#include "mailbox/stand.h"
#include "queue/submit.h"
#include "service/stand.h"

#include <stdio.h>

enum {
	LIMIT = 100 * 1000,        /* message_size_limit */
	MINFREE = 1000 * 1000,     /* queue_minfree */
	IDS = 33,                  /* more than are granted at once */
	MARGIN = CONTENT_IN_PACKET_MOST, /* what is more is a file */
};

static char dir[64];

/* ---- the daemons around it ---- */

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

/* ---- message_size_limit ---- */

/* So many octets in all. */
static struct str content_of(struct arena *arena, size_t octets)
{
	struct buf content = BUF_IN(arena);

	buf_text(&content, "From: sender@example.net\nTo: joe@example.org\n"
			   "Message-ID: <1@example.net>\nSubject: size\n\n");
	while (content.len < octets)
		buf_char(&content, content.len % 64 == 63 ? '\n' : 'x');
	return buf_str(&content);
}

static struct status submit(size_t octets, uint64_t flags)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_submission facts = { .flags = flags,
		.sender = STR("sender@example.net"), .encoding = STR("8bit"),
		.arrival_us = (uint64_t)wall_us() };
	const struct msg_recipient recipient = {
		.address = STR("joe@example.org") };
	struct submission *submission;
	struct status status;

	assert_true(status_is_ok(submit_id(arena, false, &facts.queue_id)));
	submission = submission_open(arena, &facts);
	submission_recipient(submission, &recipient);
	(void)!submission_write(submission, content_of(arena, octets));
	status = submission_commit(submission);
	status.text = STR(""); /* the arena's */
	return status;
}

static const struct size_case {
	int64_t limit;
	size_t octets;
	uint64_t flags;
	uint16_t code;
} sizes[] = {
	{ LIMIT, LIMIT, 0, 250 },
	{ LIMIT, LIMIT + 1, 0, 552 },
	{ LIMIT, LIMIT + 1, SUBMIT_INTERNAL, 250 }, /* a bounce, of all */
	{ 0, LIMIT + 1, 0, 250 },
	/* in a file */
	{ LIMIT + MARGIN, LIMIT + MARGIN, 0, 250 },
	{ LIMIT + MARGIN, LIMIT + MARGIN + 1, 0, 552 },
};

static struct conf conf;

static void submit_all(void *context)
{
	(void)context;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct status status;

		conf.message_size_limit = sizes[i].limit;
		status = submit(sizes[i].octets, sizes[i].flags);
		if (status.code != sizes[i].code)
			fail_msg("size %zu: %u", i, status.code);
		if (status.code == 552)
			assert_int_equal(status.subject * 10 + status.detail,
				34);
	}
	conf.message_size_limit = LIMIT;
	io_stop();
}

static void too_large_is_refused(void **state)
{
	(void)state;
	io_run(submit_all, NULL);
}

/* ---- queue_minfree ---- */

static int64_t octets_free;

static int64_t space_is(struct disk *disk)
{
	(void)disk;
	return octets_free;
}

static const struct space_case {
	int64_t size_limit, minfree, octets_free;
	uint64_t space; /* 0 enough, 1 only for our own, 2 none */
} spaces[] = {
	{ LIMIT, MINFREE, MINFREE, 0 },
	{ LIMIT, MINFREE, MINFREE - 1, 1 },
	{ LIMIT, MINFREE, MINFREE / 2, 1 },
	{ LIMIT, MINFREE, MINFREE / 2 - 1, 2 },
	{ LIMIT, MINFREE, 0, 2 },
	{ LIMIT, MINFREE, INT64_MAX, 0 },
	/* once and a half message_size_limit, if that is more */
	{ LIMIT, 0, LIMIT * 3 / 2, 0 },
	{ LIMIT, 0, LIMIT * 3 / 2 - 1, 1 },
	{ LIMIT, LIMIT, LIMIT * 3 / 2 - 1, 1 },
	{ 0, MINFREE, MINFREE - 1, 1 },
	{ 0, 0, 0, 0 },
};

/* What is known is asked for again with the next IDs at the latest. */
static void renew(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str id;

	for (int i = 0; i < IDS; i++)
		assert_true(status_is_ok(submit_id(arena, false, &id)));
}

static bool may(bool internal)
{
	struct status status = submit_may(internal);

	if (status_is_ok(status))
		return true;
	assert_int_equal(status.code, 452);
	assert_int_equal(status.subject * 10 + status.detail, 31);
	return false;
}

/* A file for large content. */
static bool is_file_granted(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = service_call(arena, "cleanup", span_s(60));
	struct msg_large_want want = { 0 };
	struct msg_large_grant grant = { .file = -1 };
	bool granted;

	assert_non_null(call);
	assert_true(status_is_ok(submit_id(arena, false, &want.queue_id)));
	assert_true(msg_large_want_send(call, &want));
	assert_true(msg_large_grant_recv(call, &grant, span_s(60)));
	granted = grant.file >= 0;
	if (!granted)
		assert_int_equal(grant.status, ENOSPC);
	base_close(&grant.file);
	return granted;
}

static void ask_all(void *context)
{
	int64_t (*real)(struct disk *disk) = cleanup.disk->space;

	(void)context;
	cleanup.disk->space = space_is;
	for (size_t i = 0; i < COUNT(spaces); i++) {
		conf.message_size_limit = spaces[i].size_limit;
		conf.queue_minfree = spaces[i].minfree;
		octets_free = spaces[i].octets_free;
		renew();
		if (may(false) != (spaces[i].space == 0))
			fail_msg("space %zu", i);
		if (may(true) != (spaces[i].space < 2))
			fail_msg("space %zu: our own", i);
		if (is_file_granted() != (spaces[i].space < 2))
			fail_msg("space %zu: the file", i);
	}
	cleanup.disk->space = real;
	io_stop();
}

static void space_is_kept_free(void **state)
{
	(void)state;
	io_run(ask_all, NULL);
}

/* ---- */

static void begin_daemon(void *context)
{
	(void)context;
	start(cleanup.conf);
	io_stop();
}

static int begin(void **state)
{
	char setting[96];
	const char *settings[] = { setting, "mydestination=example.org", NULL };

	(void)state;
	if (stand_folder_make(dir) < 0)
		return -1;
	snprintf(setting, sizeof(setting), "queue_directory=%s", dir);
	conf = *conf_for_test(arena_new(0), settings);
	stand_open(&service, &conf);
	stand_peer("qmgr", serve_qmgr, NULL);
	stand_peer("cleanup", serve_cleanup, NULL);
	io_run(begin_daemon, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return stand_folder_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_large_is_refused),
		cmocka_unit_test(space_is_kept_free),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
