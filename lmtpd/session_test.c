/*
 * Sessions cut by every event at every offset: none hangs. The code is the
 * fuzz target's.
 */
#include "base/test.h"

#include "lmtpd/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("\1wLHLO x\r\nMAIL FROM:<a@example.net>\r\n"
		"RCPT TO:<joe@example.org> NOTIFY=NEVER\r\n"
		"RCPT TO:<no@example.org>\r\nDATA\r\n\1wx\r\n.\r\n\1w"), 0 },
	{ STR("\1wLHLO x\r\n\1wSTARTTLS\r\n\1tLHLO x\r\n\1wMAIL FROM:<>\r\n"
		"RCPT TO:<joe@example.org>\r\nBDAT 3\r\nx\r\n"
		"BDAT 0 LAST\r\nXCLIENT NAME=a\r\nQUIT\r\n"), 0 },
};

/* RFC 2920: recipients in a row are one question to virtual; those that stand
 * alone, and those behind GROUP_MOST, are one each. */
static void one_question_for_a_group(void **state)
{
	struct buf script = { 0 };
	unsigned before = questions;

	(void)state;
	buf_text(&script, "LHLO x\r\nMAIL FROM:<>\r\n");
	for (size_t i = 0; i < 7; i++)
		buf_fmt(&script, "RCPT TO:<%s%zu@example.org>\r\n",
			i % 2 ? "no" : "joe", i);
	buf_text(&script, "RCPT TO:<\r\nNOOP\r\n\1w"
		"RCPT TO:<joe@example.org>\r\n\1wQUIT\r\n");
	LLVMFuzzerTestOneInput((const uint8_t *)script.p, script.len);
	assert_int_equal(questions - before, 2);
	buf_clear(&script); /* limit: GROUP_MOST */
	before = questions;
	buf_text(&script, "LHLO x\r\nMAIL FROM:<>\r\n");
	for (size_t i = 0; i < GROUP_MOST; i++)
		buf_fmt(&script, "RCPT TO:<no%zu@x.example>\r\n", i);
	LLVMFuzzerTestOneInput((const uint8_t *)script.p, script.len);
	assert_int_equal(questions - before, 1);
	before = questions;
	buf_text(&script, "RCPT TO:<one.more@x.example>\r\n");
	LLVMFuzzerTestOneInput((const uint8_t *)script.p, script.len);
	assert_int_equal(questions - before, 2);
	buf_free(&script);
}

#define MORE_TESTS cmocka_unit_test(one_question_for_a_group),

#include "service/session_test.h"
