/*
 * What comes behind a message or an exchange that has been cut off is no
 * command.
 */
#include "base/test.h"

#include "lmtpd/session_fuzz.c"

#define CONTEXT ((void *)(uintptr_t)open_once())
#define ENVELOPE "\1wLHLO c.example\r\n\1w" \
	"MAIL FROM:<a@example.net>\r\nRCPT TO:<joe@example.org>\r\n"

static const struct {
	const char *script, *reply; /* the last one before the cut */
	const char *rest;
} cuts[] = {
	{ ENVELOPE "DATA\r\n\1w", "354 ",
		"From: a@example.net\r\nRSET\r\n.\r\n" },
	{ ENVELOPE "\1wBDAT 500\r\n\1w", "250 ",
		"RSET\r\nNOOP\r\n" },
	{ "\1wLHLO c.example\r\n\1wBDAT 500\r\n\1w", "250 ",
		"RSET\r\nNOOP\r\n" },
};

#include "service/cancel_test.h"
