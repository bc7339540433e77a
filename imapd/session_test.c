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

static void ends_whatever_happens(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scripts); i++)
		stand_disturb(LLVMFuzzerTestOneInput, scripts[i].script,
			scripts[i].head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
