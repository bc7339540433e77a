/*
 * What the accept path costs: N sessions of one message of 4 KB each, in this
 * process; its instructions are counted from outside (tests/cost_test.py).
 *
 *	session_cost N
 */
#include "smtpd/session_fuzz.c"

#include <stdlib.h>

enum {
	LINES = 56, /* of 72 octets */
};

static void format_script(struct buf *out)
{
	buf_text(out, "\1wEHLO client.example.net\r\n\1w"
		      "MAIL FROM:<sender@example.net>\r\n"
		      "RCPT TO:<joe@example.org>\r\nDATA\r\n\1w"
		      "From: sender@example.net\r\nTo: joe@example.org\r\n"
		      "Message-ID: <1@example.net>\r\nSubject: cost\r\n\r\n");
	for (int i = 0; i < LINES; i++)
		buf_text(out, "Some text that is long enough for a line of a "
			      "message, and a little more\r\n");
	buf_text(out, ".\r\n\1wQUIT\r\n\1w");
}

int main(int argc, char **argv)
{
	auto_buf struct buf script = { 0 };
	int count = argc > 1 ? atoi(argv[1]) : 1;

	format_script(&script);
	for (int i = 0; i < count; i++)
		LLVMFuzzerTestOneInput((const uint8_t *)script.p, script.len);
	return 0;
}
