#include "base/test.h"

#include "io/fiber.h"
#include "io/helper.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_t main_thread;
static sem_t release;
static int finished;

static int in_place(void *context)
{
	*(bool *)context = pthread_equal(pthread_self(), main_thread);
	errno = EXDEV;
	return -3;
}

static void without(void *context)
{
	assert_int_equal(io_help(in_place, context), -3);
	assert_int_equal(errno, EXDEV);
}

static void without_helpers_in_place(void **state)
{
	bool here = false;

	(void)state;
	main_thread = pthread_self();
	io_run(without, &here);
	assert_true(here);
}

static int blocked_call(void *context)
{
	sigset_t mask;

	(void)context;
	while (sem_wait(&release) < 0)
		;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, SIGTERM);
}

static void blocked(void *context)
{
	(void)context;
	assert_int_equal(io_help(blocked_call, NULL), 1);
	finished++;
}

static void others_run(void *context)
{
	struct fiber *fiber;
	bool here = true;

	(void)context;
	io_helpers_start(2);
	assert_int_equal(io_help(in_place, &here), -3);
	assert_int_equal(errno, EXDEV);
	assert_false(here);
	fiber = io_spawn("blocked", blocked, NULL);
	for (int i = 0; i < 9; i++)
		io_spawn("blocked", blocked, NULL);
	io_sleep(span_ms(2)); /* while two helpers are blocked */
	assert_int_equal(finished, 0);
	/* the context lives on its stack: it has to wait, cancelled or not */
	io_cancel(fiber);
	io_sleep(span_ms(2));
	assert_int_equal(finished, 0);
	for (int i = 0; i < 10; i++)
		sem_post(&release);
}

static void helpers_block_for_us(void **state)
{
	(void)state;
	sem_init(&release, 0, 0);
	finished = 0;
	io_run(others_run, NULL);
	assert_int_equal(finished, 10);
}

/* One job under way while the fiber waits for something else, which the end
 * of the job must not cut short. */
static void in_two_steps(void *context)
{
	struct io_job job, other;
	bool here = true;

	(void)context;
	io_job_begin(&job, in_place, &here);
	assert_true(io_sleep(span_ms(20)));
	io_job_begin(&other, blocked_call, NULL);
	assert_int_equal(io_job_end(&job), -3);
	assert_int_equal(errno, EXDEV);
	assert_false(here);
	sem_post(&release);
	io_cancel(io_self());
	assert_int_equal(io_job_end(&other), 1);
	io_uncancel();
}

static void jobs_go_on_beside_us(void **state)
{
	(void)state;
	io_run(in_two_steps, NULL);
}

/* It ends while nobody waits for it, and no scheduler has run since. */
static void looked_for(void *context)
{
	struct io_job job, other;

	(void)context;
	io_job_begin(&job, blocked_call, NULL);
	assert_false(io_job_is_done(&job));
	io_job_begin(&other, blocked_call, NULL);
	sem_post(&release);
	sem_post(&release);
	while (!io_job_is_done(&job) || !io_job_is_done(&other))
		;
	assert_int_equal(io_job_end(&other), 1);
	assert_int_equal(io_job_end(&job), 1);
}

static void jobs_are_looked_for(void **state)
{
	(void)state;
	io_run(looked_for, NULL);
}

static int flushed;

static void flush(void *context)
{
	for (int i = 0; i < 100; i++)
		assert_int_equal(io_fdatasync(*(int *)context), 0);
	flushed++;
}

static void flushers(void *context)
{
	for (int i = 0; i < 20; i++)
		io_spawn("flush", flush, context);
	assert_int_equal(io_fsync(*(int *)context), 0);
	assert_int_equal(io_syncfs(*(int *)context), 0);
	assert_int_equal(io_fsync(-1), -1);
	assert_int_equal(errno, EBADF);
}

static void flushes(void **state)
{
	FILE *file = tmpfile();
	int fd = fileno(file);

	(void)state;
	io_run(flushers, &fd);
	assert_int_equal(flushed, 20);
	fclose(file);
}

static void child_has_none(void **state)
{
	bool here = false;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		io_forked();
		main_thread = pthread_self();
		io_run(without, &here);
		_exit(here ? 7 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_helpers_in_place),
		cmocka_unit_test(helpers_block_for_us),
		cmocka_unit_test(jobs_go_on_beside_us),
		cmocka_unit_test(jobs_are_looked_for),
		cmocka_unit_test(flushes),
		cmocka_unit_test(child_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
