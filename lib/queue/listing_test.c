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
		"                                                        "
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_text),
		cmocka_unit_test(as_json),
		cmocka_unit_test(empty),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
