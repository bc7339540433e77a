/*
 * Takes each profile in a child, as an ordinary user, tries all acts there and
 * compares with the row. Root's part is tried in the live daemons, by
 * `posthorn check sandbox`.
 */
#include "sandbox/sandbox.h"

#include "base/test.h"
#include "sandbox/profile.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOBODY = 65534,
};

static char folder[] = "/tmp/posthorn-sandbox-XXXXXX";

static const char *below(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int make_queue(void **state)
{
	static const char *const names[] = { "journal", "large", "maildrop",
		"pid" };

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(mkdir(below(names[i]), 0777), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
		for (size_t i = 0; i < COUNT(names); i++)
			assert_int_equal(
				chown(below(names[i]), NOBODY, NOBODY), 0);
	}
	return 0;
}

static int remove_queue(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void report_of(enum profile profile, int report)
{
	struct arena *arena = arena_new(0);
	const char *const overrides[] = {
		arena_fmt(arena, "queue_directory=%s", folder).p,
		"config_directory=/etc/ssl",
		NULL,
	};
	const struct conf *conf = conf_for_test(arena, overrides);

	if (geteuid() == 0 &&
		(setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(2);
	sandbox_close(profile, conf);
	sandbox_probe(profile, conf, report);
	_exit(0);
}

static void check(enum profile profile)
{
	int ends[2], status;
	FILE *report;
	char act[64], result[32], expected[32];
	size_t lines = 0, wrong = 0;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0)
		report_of(profile, ends[1]);
	close(ends[1]);
	report = fdopen(ends[0], "r");
	while (fscanf(report, "%63s %31s %31s", act, result, expected) == 3) {
		lines++;
		if (strcmp(result, "succeeded") != 0 ||
			strcmp(expected, "must-not") != 0)
			continue;
		wrong++;
		fprintf(stderr, "%s: %s succeeded\n",
			profile_find(profile)->name, act);
	}
	fclose(report);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_true(lines >= 40);
	assert_int_equal(wrong, 0);
}

#define PROFILE(name, user, root, calls, paths, capabilities, may)             \
	static void name##_refuses(void **state)                               \
	{                                                                      \
		(void)state;                                                   \
		check(PROFILE_##name);                                         \
	}
#include "sandbox/profiles.def"
#undef PROFILE

int main(void)
{
	const struct CMUnitTest tests[] = {
#define PROFILE(name, user, root, calls, paths, capabilities, may)             \
	cmocka_unit_test(name##_refuses),
#include "sandbox/profiles.def"
#undef PROFILE
	};

	return cmocka_run_group_tests(tests, make_queue, remove_queue);
}
