/*
 * A filter that cannot be compiled for want of memory is an error, whatever
 * libseccomp makes of that; a child that cannot be confined fails for now.
 */
#include "sandbox/profile.h"

#include "base/test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef SANITIZED
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

enum {
	STEP = 32 * 1024,
	STEPS = 20,
	PLENTY = 1 << 28,
	NOBODY = 65534,
};

/* Memory of this process may grow by so many octets. */
static void limit_memory(size_t octets)
{
	struct rlimit limit;
	size_t pages = 0;
	FILE *file;

	if (IS_SANITIZED)
		return; /* which needs more than anything else */
	file = fopen("/proc/self/statm", "r");
	if (!file || fscanf(file, "%zu", &pages) != 1)
		_exit(2);
	fclose(file);
	limit.rlim_cur = pages * (size_t)sysconf(_SC_PAGESIZE) + octets;
	limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		_exit(2);
}

/* How a child that does this with so much memory ends. */
static int status_of(void (*act)(void), size_t octets)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL); /* cmocka's goes on with the tests */
		limit_memory(octets);
		act();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void prepare(void)
{
	if (!filter_prepare("base accept files threads"))
		_exit(3);
}

/* Done or refused, and both happen. */
static void an_end_in_order(void **state)
{
	size_t done = 0, refused = 0;

	(void)state;
	if (IS_SANITIZED)
		skip();
	for (size_t i = 0; i < STEPS; i++) {
		int status = status_of(prepare, i * STEP);

		assert_true(WIFEXITED(status));
		done += WEXITSTATUS(status) == 0;
		refused += WEXITSTATUS(status) == 3;
	}
	assert_int_equal(done + refused, STEPS);
	assert_true(done > 0);
	assert_true(refused > 0);
}

static void become(void)
{
	const char *const no_paths[] = { NULL };
	const struct sandbox_child child = {
		.profile = PROFILE_DELIVER,
		.sys_uid = geteuid() == 0 ? NOBODY : geteuid(),
		.sys_gid = geteuid() == 0 ? NOBODY : getegid(),
		.paths = no_paths,
	};

	if (!sandbox_become(&child))
		_exit(2);
}

static void become_without_processes(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_NPROC, &none) < 0)
		_exit(2);
	become();
}

/* Exit status 75: a command's would be a bounce otherwise. */
static void a_child_fails_for_now(void **state)
{
	int status = status_of(become_without_processes, PLENTY);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 75);
}

static void prepared_it_needs_no_memory(void **state)
{
	(void)state;
	assert_true(sandbox_prepare(PROFILE_DELIVER));
	assert_int_equal(status_of(become, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_end_in_order),
		cmocka_unit_test(a_child_fails_for_now),
		cmocka_unit_test(prepared_it_needs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
