#include "agent/command.h"

#include "base/test.h"
#include "io/fiber.h"

#include <sys/wait.h>
#include <unistd.h>

static struct status run_with(const char *command, const char *content,
	unsigned flags, int64_t limit_ms)
{
	static struct arena *arena; /* results live until the end */
	char path[] = "PATH=/usr/bin:/bin";
	char *environment[] = { path, NULL };
	struct delivery delivery;
	struct command_plan plan;

	if (!arena)
		arena = arena_new(0);
	delivery = (struct delivery){
		.conf = conf_for_test(arena, (const char *const[]){ NULL }),
		.arena = arena,
		.m = { .sender = STR("a@example.org") },
		.content = { .head = str_from(content), .fd = -1,
			.size = strlen(content) },
	};
	plan = (struct command_plan){
		.program.argv = command_words(arena, str_from(command)),
		.program.environment = environment,
		.program.sys_uid = geteuid(),
		.program.sys_gid = getegid(),
		.time_limit = span_ms(limit_ms),
		.flags = flags,
		.head = STR("X: 1\n"),
		.eol = "\n",
		.program.what = command,
	};
	return command_run(&delivery, &plan);
}

static void the_program_gets_the_message(void *context)
{
	struct status status = run_with("cat", "S: a\n\n.x\nFrom b", 0, 20000);

	(void)context;
	assert_int_equal(status.code, 250);
	assert_str(status.text, "X: 1 S: a  .x From b");
	status = run_with("cat", "S: a\n\n.x\nFrom b",
		COMMAND_STUFF_DOTS | COMMAND_QUOTE_FROM, 20000);
	assert_str(status.text, "X: 1 S: a  ..x >From b");
}

static void exit_statuses_mean_something(void *context)
{
	(void)context;
	assert_int_equal(run_with("exit 75", "x", 0, 20000).code, 451);
	assert_int_equal(run_with("exit 67", "x", 0, 20000).detail, 1);
	assert_int_equal(run_with("exit 3", "x", 0, 20000).code / 100, 5);
	assert_int_equal(run_with("kill -9 $$", "x", 0, 20000).code, 451);
	assert_int_equal(
		run_with("echo 4.2.2 full; exit 1", "x", 0, 20000).detail, 2);
	/* It may come back; what the shell makes of it is final. */
	assert_int_equal(run_with("/no/such/program", "x", 0, 20000).code / 100,
		4);
	assert_int_equal(run_with("/no/such/program; exit 127", "x", 0,
				 20000).code / 100,
		5);
}

static void a_program_has_its_time(void *context)
{
	struct status status = run_with("sleep 100 & sleep 100", "x", 0, 200);

	(void)context;
	assert_int_equal(status.code, 550);
	assert_true(str_starts(status.text, STR("Command time limit")));
}

static void unread_input_is_no_error(void *context)
{
	static char large[300000];

	(void)context;
	memset(large, 'x', sizeof(large) - 1);
	assert_int_equal(run_with("true", large, 0, 20000).code, 250);
}

#define IN_FIBER(name)                                                         \
	static void name##_in_fiber(void **state)                              \
	{                                                                      \
		(void)state;                                                   \
		io_run(name, NULL);                                            \
	}

IN_FIBER(the_program_gets_the_message)
IN_FIBER(exit_statuses_mean_something)
IN_FIBER(a_program_has_its_time)
IN_FIBER(unread_input_is_no_error)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_gets_the_message_in_fiber),
		cmocka_unit_test(exit_statuses_mean_something_in_fiber),
		cmocka_unit_test(a_program_has_its_time_in_fiber),
		cmocka_unit_test(unread_input_is_no_error_in_fiber),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
