#include "talk/request.h"

#include "base/test.h"
#include "queue/submission.h"

static const struct {
	struct talk_mail mail;
	unsigned offered;
	const char *line;
} mails[] = {
	{ { .sender = { "a b@example.org", 15 }, .size = 7, .verp = { NULL } },
		0, "MAIL FROM:<\"a b\"@example.org>" },
	{ { .sender = { "", 0 }, .size = 7, .verp = { NULL } }, FEATURE_SIZE,
		"MAIL FROM:<> SIZE=7" },
	{ { .sender = { "a b@example.org", 15 }, .as_it_is = true,
		  .verp = { NULL } },
		0, "MAIL FROM:<a b@example.org>" },
	{ { .sender = { "a>b@example.org", 15 }, .as_it_is = true,
		  .verp = { NULL } },
		0, "MAIL FROM:<\"a>b\"@example.org>" },
	{ { .sender = { "a@example.org", 13 }, .is_8bit = true, .utf8 = true,
		  .requiretls = true, .dsn_ret = DSN_RET_HDRS,
		  .envid = { "e+1", 3 }, .verp = { "+=", 2 } },
		FEATURE_8BITMIME | FEATURE_SMTPUTF8 | FEATURE_REQUIRETLS |
			FEATURE_DSN | FEATURE_XVERP,
		"MAIL FROM:<a@example.org> BODY=8BITMIME RET=HDRS ENVID=e+2B1 "
		"SMTPUTF8 REQUIRETLS XVERP=+=" },
	{ { .sender = { "a@example.org", 13 }, .is_8bit = true, .utf8 = true,
		  .requiretls = true, .dsn_ret = DSN_RET_HDRS,
		  .envid = { "e+1", 3 }, .verp = { "+=", 2 },
		  .auth_nobody = true },
		0, "MAIL FROM:<a@example.org> AUTH=<>" },
};

static void says_what_is_offered(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mails); i++) {
		const struct talk_features features = {
			.set = mails[i].offered };
		auto_buf struct buf line = { 0 };

		talk_mail_format(&line, &mails[i].mail, &features);
		assert_str(buf_str(&line), mails[i].line);
	}
}

static void names_a_recipient(void **state)
{
	struct talk_rcpt rcpt = { .address = STR("b@example.org"),
		.notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY,
		.orcpt = STR("rfc822;b@example.org") };
	struct talk_features features = { .set = FEATURE_DSN };
	auto_buf struct buf line = { 0 };

	(void)state;
	talk_rcpt_format(&line, &rcpt, &features);
	assert_str(buf_str(&line), "RCPT TO:<b@example.org> "
		"NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@example.org");
	buf_clear(&line);
	features.set = 0;
	talk_rcpt_format(&line, &rcpt, &features);
	assert_str(buf_str(&line), "RCPT TO:<b@example.org>");
	/* no command in a command */
	buf_clear(&line);
	features.set = FEATURE_DSN;
	rcpt.notify = 0;
	rcpt.orcpt = STR("rfc822;x\r\nRCPT TO:<c@example.org>");
	talk_rcpt_format(&line, &rcpt, &features);
	assert_str(buf_str(&line), "RCPT TO:<b@example.org>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_is_offered),
		cmocka_unit_test(names_a_recipient),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
