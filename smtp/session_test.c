/*
 * Deliveries cut by every event of the server at every offset: each
 * recipient is reported once, nothing goes in the clear that must not. The
 * code is the fuzz target's.
 */
#include "base/test.h"

#include "smtp/session_fuzz.c"

static const struct {
	struct str script;
	size_t head; /* octets that are no script */
} scripts[] = {
	{ STR("2220 x\r\n\1w250-x\r\n250 STARTTLS\r\n\1w220 go\r\n\1t250 x\r\n\1w"
		"250 s\r\n\1w250 r\r\n\1w354 go\r\n\1w250 done\r\n\1w"), 1 },
	{ STR("4220 x\r\n\1w250-x\r\n250 PIPELINING\r\n\1w250 s\r\n250 r\r\n"
		"550 r\r\n250 r\r\n354 go\r\n\1w250 done\r\n\1w"), 1 },
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
