/*
 * What comes behind a message or an exchange that has been cut off is no
 * command.
 */
#include "base/test.h"

#include "smtpd/session_fuzz.c"

static void *context(void)
{
	open_once();
	return NULL;
}

#define CONTEXT context()
#define ENVELOPE "\1wEHLO c.example\r\n\1w" \
	"MAIL FROM:<a@example.net>\r\nRCPT TO:<joe@example.org>\r\n"

static const struct {
	const char *script, *reply; /* the last one before the cut */
	const char *rest;
} cuts[] = {
	{ ENVELOPE "DATA\r\n\1w", "354 ",
		"From: a@example.net\r\nRSET\r\n.\r\n" },
	{ ENVELOPE "DATA\r\n\1wSubject: x\r\n\1w", "354 ",
		"RSET\r\nNOOP\r\n" },
	{ ENVELOPE "\1wBDAT 500\r\n\1w", "250 2.1.5 ",
		"RSET\r\nNOOP\r\n" },
	{ "\1wEHLO c.example\r\n\1wBDAT 500\r\n\1w", "250 ",
		"RSET\r\nNOOP\r\n" },
	{ "\1wEHLO c.example\r\n\1wAUTH PLAIN\r\n\1w", "334 ",
		"RSET\r\nNOOP\r\n" },
};

#include "service/cancel_test.h"
