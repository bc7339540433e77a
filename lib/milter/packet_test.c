#include "milter/packet.h"

#include "base/test.h"

/* With NULs in it; also for tables. */
#define BYTES_IN(literal) { "" literal, sizeof(literal) - 1 }
#define BYTES(literal) ((struct str)BYTES_IN(literal))

static void lengths(void **state)
{
	size_t len = 7;

	(void)state;
	assert_true(milter_length_parse(BYTES("\0\0\0\1"), &len));
	assert_int_equal(len, 1);
	assert_true(milter_length_parse(BYTES("\0\1\0\1"), &len));
	assert_int_equal(len, 65537);
	assert_false(milter_length_parse(BYTES("\0\1\0\2"), &len));
	assert_false(milter_length_parse(BYTES("\0\0\0\0"), &len));
	assert_false(milter_length_parse(BYTES("\xff\xff\xff\xff"), &len));
	assert_false(milter_length_parse(BYTES("\0\0\1"), &len));
}

static void writes_packets(void **state)
{
	auto_buf struct buf out = { 0 };

	(void)state;
	milter_head_format(&out, MILTER_HELO, 5);
	milter_text_format(&out, BYTES("a\0bc"));
	assert_int_equal(out.len, 10);
	assert_memory_equal(out.p, "\0\0\0\6Ha bc\0", 10);
}

static const struct {
	unsigned offered;
	struct str answer;
	bool ok;
	unsigned version, steps;
} options[] = {
	{ 6, BYTES_IN("\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"), true, 6, 0x1fffff },
	/* What was not offered does not come back. */
	{ 6, BYTES_IN("\0\0\0\6\0\0\1\xff\xff\xff\xff\xff"), true, 6, 0x1fffff },
	{ 2, BYTES_IN("\0\0\0\2\0\0\0\x3f\0\0\x0f\x7f"), true, 2, 0x7f },
	{ 6, BYTES_IN("\0\0\0\2\0\0\0\x3f\0\0\0\x01"), true, 2, 1 },
	{ 4, BYTES_IN("\0\0\0\6\0\0\0\x3f\0\0\0\0"), false, 0, 0 },
	{ 6, BYTES_IN("\0\0\0\1\0\0\0\x3f\0\0\0\0"), false, 0, 0 },
	{ 6, BYTES_IN("\0\0\0\6\0\0\0\x3f\0\0\0"), false, 0, 0 },
	{ 6, BYTES_IN("\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\2i"), false, 0, 0 },
	{ 6, BYTES_IN(""), false, 0, 0 },
};

static void agrees_on_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(options); i++) {
		struct milter_options offered =
			milter_options_of(options[i].offered);
		struct milter_options got;

		assert_int_equal(milter_options_parse(options[i].answer,
			&offered, &got), options[i].ok);
		if (!options[i].ok)
			continue;
		assert_int_equal(got.version, options[i].version);
		assert_int_equal(got.steps, options[i].steps);
	}
}

static void takes_symbols(void **state)
{
	struct milter_options offered = milter_options_of(6), got;

	(void)state;
	assert_true(milter_options_parse(BYTES("\0\0\0\6\0\0\0\0\0\0\0\0"
		"\0\0\0\3i {rcpt_addr}\0" "\0\0\0\x63x\0"), &offered, &got));
	assert_str(got.symbols[MILTER_AT_RCPT], "i {rcpt_addr}");
	assert_true(str_is_none(got.symbols[MILTER_AT_MAIL]));
}

static const struct {
	struct str packet;
	bool ok, is_edit;
	unsigned index;
	const char *name, *value; /* NULL: NONE */
} replies[] = {
	{ BYTES_IN("c"), true, false, 0, NULL, NULL },
	{ BYTES_IN("+<a@b>\0"), true, true, 0, "<a@b>", NULL },
	{ BYTES_IN("+<a@b>"), false, false, 0, NULL, NULL },
	{ BYTES_IN("2<a@b>\0NOTIFY=NEVER\0"), true, true, 0, "<a@b>",
		"NOTIFY=NEVER" },
	{ BYTES_IN("2<a@b>\0"), true, true, 0, "<a@b>", NULL },
	{ BYTES_IN("e<>\0"), true, true, 0, "<>", NULL },
	{ BYTES_IN("hX-A\0b\0"), true, true, 0, "X-A", "b" },
	{ BYTES_IN("h\0b\0"), false, false, 0, NULL, NULL },
	{ BYTES_IN("hX-A\0b"), false, false, 0, NULL, NULL },
	{ BYTES_IN("i\0\0\1\0X-A\0\0"), true, true, 256, "X-A", "" },
	{ BYTES_IN("m\0\0\0\2X-A\0b\0"), true, true, 2, "X-A", "b" },
	{ BYTES_IN("m\0\0\2"), false, false, 0, NULL, NULL },
	{ BYTES_IN("ba\0b"), true, true, 0, "a", NULL },
	{ BYTES_IN("q\0"), true, true, 0, "", NULL },
	{ BYTES_IN("y550 no\0"), true, false, 0, "550 no", NULL },
	{ BYTES_IN("Z"), false, false, 0, NULL, NULL },
};

static void reads_replies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct milter_packet packet;
		struct milter_reply reply;

		assert_true(milter_packet_parse(replies[i].packet, &packet));
		assert_int_equal(milter_reply_parse(&packet, &reply),
			replies[i].ok);
		if (!replies[i].ok)
			continue;
		assert_int_equal(milter_reply_is_edit(&reply),
			replies[i].is_edit);
		assert_int_equal(reply.index, replies[i].index);
		if (packet.kind == MILTER_REPLACE_BODY)
			assert_int_equal(reply.name.len, 3);
		else if (replies[i].name)
			assert_str(reply.name, replies[i].name);
		else
			assert_true(str_is_none(reply.name));
		if (replies[i].value)
			assert_str(reply.value, replies[i].value);
		else
			assert_true(str_is_none(reply.value));
	}
}

static const struct {
	const char *in;
	unsigned code, subject, detail;
	const char *text; /* NULL: malformed */
} statuses[] = {
	{ "550 5.7.1 not\x01 here", 550, 7, 1, "not? here" },
	{ "451 busy", 451, 0, 0, "busy" },
	{ "450 5.7.1 at odds", 450, 0, 0, "at odds" },
	{ "554-5.1.2 a\r\n554-5.1.2 b\r\n554 5.1.2 c", 554, 1, 2, "a\nb\nc" },
	{ "550 5.0.0 100%% sure", 550, 0, 0, "100% sure" },
	{ "250 2.0.0 fine", 0, 0, 0, NULL },
	{ "550-a\r\n551 b", 0, 0, 0, NULL },
	{ "no", 0, 0, 0, NULL },
	{ "", 0, 0, 0, NULL },
};

static void reads_statuses(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(statuses); i++) {
		struct status status;
		bool ok = milter_status_parse(arena, str_from(statuses[i].in),
			&status);

		assert_int_equal(ok, statuses[i].text != NULL);
		if (!ok)
			continue;
		assert_int_equal(status.code, statuses[i].code);
		assert_int_equal(status.subject, statuses[i].subject);
		assert_int_equal(status.detail, statuses[i].detail);
		assert_str(status.text, statuses[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
		cmocka_unit_test(writes_packets),
		cmocka_unit_test(agrees_on_options),
		cmocka_unit_test(takes_symbols),
		cmocka_unit_test(reads_replies),
		cmocka_unit_test(reads_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
