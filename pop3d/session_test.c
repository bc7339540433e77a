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
