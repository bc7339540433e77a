/*
 * Sessions cut by every event at every offset: none hangs. The code is the
 * fuzz target's.
 */
#include "base/test.h"

#include "login/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("\0\1wa STARTTLS\r\n\1tb LOGIN joe {5}\r\n\1wright\r\n\1wc NOOP\r\n"), 1 },
	{ STR("\1\1wSTLS\r\n\1tAUTH PLAIN AGpvZQByaWdodA==\r\n\1wSTAT\r\n\1w"), 1 },
};

#include "service/session_test.h"
