/*
 * service/session_test - the frame of a daemon's session_test, which includes
 * its session_fuzz.c, says what `scripts` are, and includes this: they are cut
 * by every event at every offset, and no session hangs or breaks what the fuzz
 * target looks at. MORE_TESTS: others of that file.
 */
#include "base/test.h"

#ifndef MORE_TESTS
#define MORE_TESTS
#endif

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
		MORE_TESTS
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
