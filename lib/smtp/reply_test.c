#include "base/test.h"

#include "smtp/reply.h"

static void collects_lines(void **state)
{
	struct arena *arena = arena_new(0);
	struct smtp_reply reply = { 0 };
	struct str whole, line;

	(void)state;
	assert_int_equal(smtp_reply_add(arena, &reply,
		STR("550-5.1.1 <x>: no\x01")), SMTP_REPLY_MORE);
	assert_int_equal(smtp_reply_add(arena, &reply,
		STR("550 5.1.1 such user")), SMTP_REPLY_DONE);
	assert_int_equal(reply.code, 550);
	assert_true(reply.has_enhanced);
	assert_int_equal(reply.subject, 1);
	assert_int_equal(reply.detail, 1);
	assert_str(reply.whole, "550-5.1.1 <x>: no?\n550 5.1.1 such user");
	assert_str(reply.text, "<x>: no? such user");
	whole = reply.whole;
	assert_true(smtp_reply_take_line(&whole, &line));
	assert_str(line, "5.1.1 <x>: no?");
	assert_true(smtp_reply_take_line(&whole, &line));
	assert_false(smtp_reply_take_line(&whole, &line));
	arena_free(arena);
}

static const struct {
	const char *line;
	bool ok;
	unsigned code, class;
	const char *text;
} lines[] = {
	{ "250", true, 250, 0, "" },
	{ "250-", true, 250, 0, "" },
	{ "250 2.0.0", true, 250, 2, "" },
	{ "250 2.0.0 Ok", true, 250, 2, "Ok" },
	{ "450 4.1234.0 x", true, 450, 0, "4.1234.0 x" },
	{ "220 3.0.0 x", true, 220, 0, "3.0.0 x" },
	{ "250x" }, { "2500 x" }, { "150 x" }, { "600 x" }, { "25" }, { "" },
	{ "25a x" },
};

static void parses_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct smtp_reply_line got;
		bool ok = smtp_reply_line_parse(str_from(lines[i].line), &got);

		assert_int_equal(ok, lines[i].ok);
		if (!ok)
			continue;
		assert_int_equal(got.code, lines[i].code);
		assert_int_equal(got.class, lines[i].class);
		assert_str(got.text, lines[i].text);
	}
}

static void is_bounded(void **state)
{
	struct arena *arena = arena_new(0);
	struct smtp_reply reply = { 0 };
	int count = 0;

	(void)state;
	while (smtp_reply_add(arena, &reply, STR("250-x")) == SMTP_REPLY_MORE)
		count++;
	assert_int_equal(count, SMTP_REPLY_LINES_MOST);
	arena_free(arena);
}

static void formats(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);

	(void)state;
	smtp_reply_format(&out, REPLY_SENDER_OK, true);
	smtp_reply_format(&out, REPLY_GO_AHEAD, true);
	smtp_reply_format(&out, STATUS(550, 7, 1, "a\nb"), true);
	smtp_reply_format(&out, STATUS(450, 7, 1, ""), false);
	assert_str(buf_str(&out), "250 2.1.0 Ok\r\n"
		"354 End data with <CR><LF>.<CR><LF>\r\n"
		"550-5.7.1 a\r\n550 5.7.1 b\r\n450 \r\n");
	buf_clear(&out);
	smtp_reply_format_line(&out, STATUS(550, 7, 1, "a\nb"), true);
	assert_str(buf_str(&out), "550 5.7.1 a b");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(collects_lines),
		cmocka_unit_test(parses_lines),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
