/*
 * Sessions cut by every event at every offset: none hangs. The code is the
 * fuzz target's.
 */
#include "base/test.h"

#include "pop3d/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("\1wRETR 1\r\nTOP 2 0\r\nDELE 1\r\nQUIT\r\n"), 0 },
};

#include "service/session_test.h"
