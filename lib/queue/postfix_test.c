#include "queue/postfix.h"

#include "base/test.h"
#include "queue/submission.h"

static void add(struct buf *out, char type, const char *data)
{
	buf_char(out, type);
	buf_char(out, (char)strlen(data));
	buf_text(out, data);
}

static struct arena *arena;

static int begin(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static void takes_records(void **state)
{
	char long_one[2 + 1 + 200] = { 'N', (char)(200 | 0x80), 1 };
	struct str in = str_of(long_one, 3 + 200), data;
	char type;

	(void)state;
	assert_true(postfix_record_take(&in, &type, &data));
	assert_int_equal(type, 'N');
	assert_int_equal(data.len, 200);
	assert_int_equal(in.len, 0);
	/* Cut off, without a length, and a length that has no end. */
	in = str_of(long_one, 202);
	assert_false(postfix_record_take(&in, &type, &data));
	assert_int_equal(in.len, 202);
	in = STR("N");
	assert_false(postfix_record_take(&in, &type, &data));
	in = STR("N\xff\xff\xff\xff\xff\xff");
	assert_false(postfix_record_take(&in, &type, &data));
}

static void reads_a_message(void **state)
{
	struct buf out = BUF_IN(arena);
	struct envelope e;
	struct str content;

	(void)state;
	add(&out, 'C', "            372             669               2"
		       "               0             372               1");
	add(&out, 'T', "1795988400 250000");
	add(&out, 'A', "client_name=client.example.net");
	add(&out, 'A', "encoding=8bit");
	add(&out, 'A', "no_such_attribute=x");
	add(&out, '<', "2");
	add(&out, 'i', "envelope-1");
	add(&out, 'L', "smtp:[127.0.0.1]:10025");
	add(&out, 'S', "a@example.net");
	add(&out, 'O', "done@example.org");
	add(&out, 'D', "done@example.org");
	add(&out, 'o', "rfc822;list@example.org");
	add(&out, 'n', "6");
	add(&out, 'O', "list@example.org");
	add(&out, 'R', "b@example.org");
	add(&out, 'R', "c@example.org");
	add(&out, 'p', "              0");
	add(&out, 'M', "");
	add(&out, 'N', "Subject: x");
	add(&out, 'N', "");
	add(&out, 'L', "a line ");
	add(&out, 'N', "in two records");
	add(&out, 'w', "padding");
	add(&out, 'X', "");
	add(&out, 'E', "");
	assert_true(postfix_message_parse(arena, buf_str(&out), &e, &content));
	assert_str(content, "Subject: x\n\na line in two records\n");
	assert_str(e.sender, "a@example.net");
	assert_int_equal(e.arrival_us, 1795988400250000);
	assert_str(e.client_name, "client.example.net");
	assert_str(e.encoding, "8bit");
	assert_str(e.dsn_envid, "envelope-1");
	assert_int_equal(e.dsn_ret, DSN_RET_HDRS);
	assert_int_equal(e.flags, SUBMIT_SMTPUTF8);
	assert_str(e.content_filter, "smtp:[127.0.0.1]:10025");
	assert_int_equal(e.recipient_count, 2);
	assert_str(e.recipients[0].address, "b@example.org");
	assert_str(e.recipients[0].orig, "list@example.org");
	assert_str(e.recipients[0].orcpt, "rfc822;list@example.org");
	assert_int_equal(e.recipients[0].notify, 6);
	assert_str(e.recipients[1].orig, "c@example.org");
	assert_null(e.recipients[1].orcpt.p);
	/* No part of it is a message. */
	for (size_t len = 0; len < out.len; len++)
		assert_false(postfix_message_parse(arena,
			str_first(buf_str(&out), len), &e, &content));
}

static void follows_pointers(void **state)
{
	struct buf out = BUF_IN(arena);
	struct envelope e;
	struct str content;

	(void)state;
	add(&out, 'S', "");
	add(&out, 'R', "b@example.org");
	add(&out, 'M', "");
	add(&out, 'p', "61"); /* to the line that took its place */
	add(&out, 'N', "replaced");
	add(&out, 'N', "body");
	add(&out, 'X', "");
	add(&out, 'E', "");
	while (out.len < 61)
		buf_char(&out, '?');
	add(&out, 'N', "new");
	add(&out, 'p', "33");
	assert_true(postfix_message_parse(arena, buf_str(&out), &e, &content));
	assert_str(content, "new\nbody\n");
	/* One that leads back for ever, and one that leads nowhere. */
	buf_clear(&out);
	add(&out, 'p', "0");
	add(&out, 'p', "3");
	assert_false(postfix_message_parse(arena, buf_str(&out), &e, &content));
	buf_clear(&out);
	add(&out, 'p', "999");
	assert_false(postfix_message_parse(arena, buf_str(&out), &e, &content));
}

static void reads_what_rules_said(void **state)
{
	struct buf out = BUF_IN(arena);
	struct envelope e;
	struct str content;

	(void)state;
	add(&out, 'S', "a@example.net");
	add(&out, 'o', "rfc822;b+x=y@example.org");
	add(&out, 'R', "b@example.org");
	add(&out, 'R', "c@example.org");
	add(&out, 'M', "");
	add(&out, 'L', "no line end");
	add(&out, 'X', "");
	add(&out, 'L', "smtp:[127.0.0.1]:10025");
	add(&out, '>', "d@example.org");
	add(&out, 'E', "");
	assert_true(postfix_message_parse(arena, buf_str(&out), &e, &content));
	assert_str(content, "no line end");
	assert_str(e.content_filter, "smtp:[127.0.0.1]:10025");
	assert_int_equal(e.recipient_count, 1);
	assert_str(e.recipients[0].address, "d@example.org");
	assert_str(e.recipients[0].orcpt, "rfc822;b+2Bx+3Dy@example.org");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_records, begin, end),
		cmocka_unit_test_setup_teardown(reads_a_message, begin, end),
		cmocka_unit_test_setup_teardown(follows_pointers, begin, end),
		cmocka_unit_test_setup_teardown(reads_what_rules_said, begin,
			end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
