#include "base/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGE = 256 * 1024 * 1024, LATER_MS = 150 };

static void allow_memory(int signal_number)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	(void)signal_number;
	setrlimit(RLIMIT_AS, &all);
}

/* A child's status: it wants memory that there is none of, until a moment
 * later. */
static int want_memory(bool patiently)
{
	const struct itimerval later = { .it_value = {
		.tv_usec = LATER_MS * 1000 } };
	struct rlimit none = { LARGE / 2, RLIM_INFINITY };
	int status, pid = fork();

	if (pid == 0) {
		signal(SIGALRM, allow_memory);
		if (patiently)
			mem_be_patient();
		setrlimit(RLIMIT_AS, &none);
		setitimer(ITIMER_REAL, &later, NULL);
		free(mem_new(1, LARGE));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void who_is_patient_waits_for_memory(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* it takes more than any limit */
#endif
	assert_int_equal(want_memory(false), 1);
	assert_int_equal(want_memory(true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_patient_waits_for_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
