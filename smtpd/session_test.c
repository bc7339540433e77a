/*
 * Sessions cut by every event at every offset: none hangs, none queues
 * what is no message. The code is the fuzz target's.
 */
#include "base/test.h"

#include "smtpd/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("\1wEHLO c.example\r\n\1wMAIL FROM:<a@example.net>\r\n"
		"RCPT TO:<joe@example.org>\r\nDATA\r\n\1wx\r\n.\r\n"
		"BDAT 2 LAST\r\nx\r\n\1w"), 0 },
	{ STR("\1wEHLO c.example\r\n\1wSTARTTLS\r\n\1tEHLO c.example\r\n\1w"
		"MAIL FROM:<a@example.net>\r\nRCPT TO:<joe@example.org>\r\n"
		"BDAT 3\r\nx\r\nBDAT 0 LAST\r\nQUIT\r\n"), 0 },
	{ STR("\1wXFORWARD NAME=a.example\r\nXFORWARD ADDR=192.0.2.9 IDENT=x\r\n"
		"MAIL FROM:<a@example.net>\r\nRCPT TO:<joe@example.org>\r\n"
		"RSET\r\nXCLIENT NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE] "
		"LOGIN=joe HELO=x PROTO=ESMTP\r\n\1wMAIL FROM:<>\r\n"
		"RCPT TO:<joe@example.org>\r\nXCLIENT NAME=x\r\n\1w"), 0 },
};

#include "service/session_test.h"
