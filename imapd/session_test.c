/*
 * Sessions cut by every event at every offset: none hangs. The code is the
 * fuzz target's.
 */
#include "base/test.h"

#include "imapd/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("\1wa APPEND x {5}\r\n\1wa\r\nb\r\nb SELECT INBOX\r\nc IDLE\r\n\1wDONE\r\n"), 0 },
};

#include "service/session_test.h"
