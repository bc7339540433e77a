#include "commands/sendmail_headers.h"

#include "base/test.h"

static const struct {
	const char *in, *recipients; /* each ended by a space */
} headers[] = {
	{ "To: a@example.org\n",                  "a@example.org " },
	{ "to : A <a@example.org>,\n\tb@example.org\nCC: c@example.org\n"
	  "bcc: d@example.org\n",
	  "a@example.org b@example.org c@example.org d@example.org " },
	{ "To: a@example.org\nResent-Cc: b@example.org\n", "b@example.org " },
	{ "Resent-To:\nTo: a@example.org\n",      "" },
	{ "To: team: a@example.org, b@example.org;\n",
	  "a@example.org b@example.org " },
	{ "To: undisclosed-recipients:;\n",       "" },
	{ "To: \"a, b\" <a@example.org> (c@example.org)\n", "a@example.org " },
	{ "To: alice, bob\n",                     "alice bob " },
	{ "To: <>\nCc: ,,,\n",                    "" },
	{ "From: x@example.org\nSubject: To: a@example.org\n", "" },
	{ "Subject: x\n To: a@example.org\n",      "" }, /* a folded line */
	{ "Subject: x\n\nTo: a@example.org\n",     "" }, /* the body */
	{ "To: a@example.org\r\nCc: b@example.org\r\n",
	  "a@example.org b@example.org " },
	{ "no header",                            "" },
	{ "",                                     "" },
};

static void take(void *context, struct str address)
{
	buf_fmt(context, "%.*s ", STR_ARG(address));
}

static void recipients_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct buf out = BUF_IN(arena);

		headers_recipients(arena, str_from(headers[i].in), take, &out);
		assert_str(buf_str(&out), headers[i].recipients);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recipients_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
