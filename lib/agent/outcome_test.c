#include "agent/outcome.h"

#include "base/test.h"

/* wait_status as Linux has it: exit << 8, or the signal. */
static const struct {
	int wait_status;
	const char *output;
	int code, subject, detail;
	const char *text;
} commands[] = {
	{ 0, "", 250, 0, 0, "" },
	{ 0, "stored\n", 250, 0, 0, "stored" },
	{ 0, "2.1.5 stored\n", 250, 1, 5, "stored" },
	{ 0, "5.1.5 odd\n", 250, 0, 0, "5.1.5 odd" },
	{ 75 << 8, "disk\nfull\n", 451, 3, 0,
		"temporary failure. Command output: disk full" },
	{ 67 << 8, "", 550, 1, 1, "user unknown" },
	{ 1 << 8, "", 554, 3, 0, "Command died with status 1: \"cat\"" },
	{ 1 << 8, "4.2.2 quota", 451, 2, 2, "quota" },
	{ 78 << 8, "", 554, 3, 5, "local configuration error" },
	{ 9, "", 451, 3, 0, "Command died with signal 9: \"cat\"" },
};

static void exit_statuses_become_statuses(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct status got = outcome_of_command(arena, STR("cat"),
			commands[i].wait_status, str_from(commands[i].output));

		assert_int_equal(got.code, commands[i].code);
		assert_int_equal(got.subject, commands[i].subject);
		assert_int_equal(got.detail, commands[i].detail);
		assert_str(got.text, commands[i].text);
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_statuses_become_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
