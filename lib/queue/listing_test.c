/*
 * queue/listing_test - the layouts of postqueue -p and -j.
 */
#include "base/test.h"

#include <stdlib.h>
#include <time.h>

#include "queue/listing.h"

static const struct listed example = {
	.queue_name = { "deferred", 8 },
	.queue_id = { "4A5F21002B", 10 },
	.sender = { "a b@example.org", 15 },
	.arrival_us = 1796000000000000,
	.size = 2048,
};

static void list(struct listing *listing)
{
	struct listed held = example;

	held.queue_name = STR("hold");
	held.sender = STR("");
	held.forced_expire = true;
	listing_begin(listing, &example);
	listing_recipient(listing, STR("c@example.org"), STR("d@example.org"),
		STR("connect to x: \"no\""));
	listing_recipient(listing, STR("e@example.org"), STR("e@example.org"),
		STR("connect to x: \"no\""));
	listing_end_message(listing);
	listing_begin(listing, &held);
	listing_recipient(listing, STR("f\xff@example.org"), STR(""), STR(""));
	listing_end_message(listing);
	listing_end(listing);
}

static void as_text(void **state)
{
	auto_buf struct buf out = { 0 };
	struct listing listing = { .out = &out };

	(void)state;
	list(&listing);
	assert_str(buf_str(&out),
		"-Queue ID-  --Size-- ----Arrival Time---- "
		"-Sender/Recipient-------\n"
		"4A5F21002B     2048 Mon Nov 30 00:53:20  "
		"\"a b\"@example.org\n"
		"                                                          "
		"(connect to x: \"no\")\n"
		"                                         c@example.org\n"
		"                                         e@example.org\n"
		"\n"
		"4A5F21002B!#    2048 Mon Nov 30 00:53:20  MAILER-DAEMON\n"
		"                                         f\xff@example.org\n"
		"\n-- 4 Kbytes in 2 Requests.\n");
}

static void as_json(void **state)
{
	auto_buf struct buf out = { 0 };
	struct listing listing = { .out = &out, .is_json = true };

	(void)state;
	list(&listing);
	assert_str(buf_str(&out),
		"{\"queue_name\": \"deferred\", \"queue_id\": "
		"\"4A5F21002B\", \"arrival_time\": 1796000000, "
		"\"message_size\": 2048, \"forced_expire\": false, "
		"\"sender\": \"\\\"a b\\\"@example.org\", \"recipients\": ["
		"{\"orig_address\": \"d@example.org\", \"address\": "
		"\"c@example.org\", \"delay_reason\": \"connect to x: "
		"\\\"no\\\"\"}, {\"address\": \"e@example.org\", "
		"\"delay_reason\": \"connect to x: \\\"no\\\"\"}]}\n"
		"{\"queue_name\": \"hold\", \"queue_id\": \"4A5F21002B\", "
		"\"arrival_time\": 1796000000, \"message_size\": 2048, "
		"\"forced_expire\": true, \"sender\": \"MAILER-DAEMON\", "
		"\"recipients\": [{\"address\": \"f?@example.org\"}]}\n");
}

static void empty(void **state)
{
	auto_buf struct buf out = { 0 };
	struct listing listing = { .out = &out };

	(void)state;
	listing_end(&listing);
	assert_str(buf_str(&out), "Mail queue is empty\n");
}

/* What is written raw is read again. */
static void as_raw(void **state)
{
	auto_buf struct buf out = { 0 };
	struct listing listing = { .out = &out, .is_raw = true };
	struct arena *arena = arena_new(0);
	struct listed_message m;
	struct str in;

	(void)state;
	list(&listing);
	in = buf_str(&out);
	assert_true(listing_take(arena, &in, &m));
	assert_str(m.listed.queue_name, "deferred");
	assert_str(m.listed.queue_id, "4A5F21002B");
	assert_int_equal(m.listed.arrival_us / 1000000, 1796000000);
	assert_int_equal(m.listed.size, 2048);
	assert_str(m.listed.sender, "a b@example.org");
	assert_int_equal(m.recipient_count, 2);
	assert_str(m.recipients[0].orig, "d@example.org");
	assert_str(m.recipients[1].reason, "connect to x: \"no\"");
	assert_true(listing_take(arena, &in, &m));
	assert_true(m.listed.forced_expire);
	assert_str(m.listed.sender, "");
	assert_str(m.recipients[0].address, "f\xff@example.org");
	assert_false(listing_take(arena, &in, &m));
	assert_int_equal(in.len, 0);
	/* None of these is a line of it. */
	in = STR("m deferred 4A5F 1 2 3 a\n");
	assert_false(listing_take(arena, &in, &m));
	in = STR("m deferred 4A5F 1 2 0 a\nr b\nm");
	assert_true(listing_take(arena, &in, &m));
	in = STR("r a b c\n");
	assert_false(listing_take(arena, &in, &m));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_text),
		cmocka_unit_test(as_json),
		cmocka_unit_test(as_raw),
		cmocka_unit_test(empty),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
