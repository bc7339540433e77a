#include "dsn/report.h"

#include "base/test.h"
#include "dsn/template.h"
#include "mail/mime.h"

static const char message[] = "Message-ID: <1@example.net>\nSubject: x\n\n"
			      "Body.\n";

/* The message in two blocks. */
static bool next(void *context, struct str *octets)
{
	int *call = context;
	struct str all = STR("Message-ID: <1@example.net>\nSubject: x\n\nBody.\n");

	*octets = *call == 0 ? str_first(all, 10) :
		*call == 1   ? str_skip(all, 10) :
			       STR("");
	++*call;
	return true;
}

static void append(void *to, struct str octets)
{
	buf_add(to, octets);
}

static struct dsn_template templates[DSN_KINDS];

static struct dsn_report make(struct arena *arena, int *calls)
{
	static const struct dsn_recipient recipients[] = {
		{ .address = { "bob@example.org", 15 },
			.orig = { "robert@example.org", 18 },
			.orcpt = { "rfc822;ro+2Bx@example.org", 25 },
			.status = { 550, 1, 1, { "host mx.example.org said: no",
					       28 } },
			.mta = { "mx.example.org", 14 },
			.diagnostic = { "550 5.1.1 no", 12 } },
	};

	dsn_templates_init(templates);
	return (struct dsn_report){
		.template = &templates[DSN_FAILURE],
		.conf = conf_for_test(arena, (const char *const[]){
			"enable_threaded_bounces=yes", NULL }),
		.kind = DSN_FAILURE,
		.queue_id = STR("AAAAA1"),
		.own_id = STR("AAAAA2"),
		.sender = STR("a@example.net"),
		.to = STR("a@example.net"),
		.envid = STR("E1"),
		.recipients = recipients,
		.count = 1,
		.header = str_first(str_from(message),
			sizeof(message) - 1 - 6),
		.next = next,
		.context = calls,
	};
}

static bool has(struct str text, const char *part)
{
	return str_find(text, str_from(part)) != SIZE_MAX;
}

static void a_failure_has_its_three_parts(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	int calls = 0;
	struct dsn_report report = make(arena, &calls);
	struct mime_part *whole;
	struct str text;

	(void)state;
	assert_true(dsn_report_write(arena, &report, append, &out));
	text = buf_str(&out);
	whole = mime_parse(arena, text);
	assert_int_equal(whole->kind, MIME_MULTIPART);
	assert_non_null(whole->children->next->next);
	assert_null(whole->children->next->next->next);
	assert_str(whole->children->next->subtype, "delivery-status");
	assert_str(whole->children->next->next->subtype, "rfc822");
	assert_true(has(text, "\nFinal-Recipient: rfc822; bob@example.org\n"
			      "Original-Recipient: rfc822; ro+x@example.org\n"
			      "Action: failed\nStatus: 5.1.1\n"
			      "Remote-MTA: dns; mx.example.org\n"
			      "Diagnostic-Code: smtp; 550 5.1.1 no\n"));
	assert_true(has(text, "\nOriginal-Envelope-Id: E1\n"));
	assert_true(has(text, "(expanded from <robert@example.org>)"));
	assert_true(has(text, "\nIn-Reply-To: <1@example.net>\n"));
	assert_true(has(text, "\nSubject: x\n\nBody.\n\n--"));
}

static void headers_only_has_no_body(void **state)
{
	auto_arena struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	int calls = 0;
	struct dsn_report report = make(arena, &calls);

	(void)state;
	report.headers_only = true;
	assert_true(dsn_report_write(arena, &report, append, &out));
	assert_false(has(buf_str(&out), "Body."));
	assert_true(has(buf_str(&out), "text/rfc822-headers"));
	assert_int_equal(calls, 0);
}

static void malformed_orcpt_is_left_out(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	assert_true(str_is_none(dsn_orcpt_text(arena, STR("bob"))));
	assert_true(str_is_none(dsn_orcpt_text(arena, STR("rfc822;a+0Ab"))));
	assert_true(str_is_none(dsn_orcpt_text(arena, STR(";a"))));
	assert_str(dsn_orcpt_text(arena, STR("rfc822;a+40b")), "rfc822; a@b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_has_its_three_parts),
		cmocka_unit_test(headers_only_has_no_body),
		cmocka_unit_test(malformed_orcpt_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
