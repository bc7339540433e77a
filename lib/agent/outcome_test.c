#include "agent/outcome.h"

#include "base/test.h"

static const struct {
	const char *in;
	int class, subject, detail;
	const char *rest;
} codes[] = {
	{ "5.1.1 User unknown", 5, 1, 1, "User unknown" },
	{ "4.7.25", 4, 7, 25, "" },
	{ "2.0.0  x ", 2, 0, 0, "x" },
	{ "3.0.0 x" }, { "5.1 x" }, { "5.1.1x" }, { "5.1.1000 x" }, { "" },
	{ "6.0.0 x" },
};

static void codes_are_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(codes); i++) {
		struct str in = str_from(codes[i].in);
		struct outcome_code code = { 0 };

		if (!outcome_code_take(&in, &code)) {
			assert_null(codes[i].rest);
			assert_ptr_equal(in.p, codes[i].in);
			continue;
		}
		assert_int_equal(code.class, codes[i].class);
		assert_int_equal(code.subject, codes[i].subject);
		assert_int_equal(code.detail, codes[i].detail);
		assert_str(in, codes[i].rest);
	}
}

static void class_of_otherwise_stands(void **state)
{
	struct status status = outcome_parse(STR("5.4.6 loop"),
		STATUS(450, 0, 0, "none"));

	(void)state;
	assert_int_equal(status.code, 450);
	assert_int_equal(status.subject, 4);
	assert_int_equal(status.detail, 6);
	assert_str(status.text, "loop");
	status = outcome_parse(STR(" "), STATUS(450, 0, 0, "none"));
	assert_str(status.text, "none");
}

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
		cmocka_unit_test(codes_are_taken),
		cmocka_unit_test(class_of_otherwise_stands),
		cmocka_unit_test(exit_statuses_become_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
