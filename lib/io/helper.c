#include "io/helper.h"

#include "io/scheduler.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	HELPERS_MOST = 16,
	HELPER_STACK = 256 * 1024, /* as a fiber's: messages are parsed there */
};

struct jobs {
	struct io_job *first, **end;
};

/* Semaphores, no condition variables: those of glibc before 2.41 lose
 * wake-ups (its bug 25847). */
static struct {
	pthread_mutex_t lock; /* of both queues */
	sem_t wanted_count;
	struct jobs wanted, done;
	int threads, eventfd;
} helpers = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void jobs_init(struct jobs *jobs)
{
	jobs->first = NULL;
	jobs->end = &jobs->first;
}

static void jobs_add(struct jobs *jobs, struct io_job *job)
{
	job->next = NULL;
	*jobs->end = job;
	jobs->end = &job->next;
}

static struct io_job *take_wanted(void)
{
	struct io_job *job;

	while (sem_wait(&helpers.wanted_count) < 0)
		;
	pthread_mutex_lock(&helpers.lock);
	job = helpers.wanted.first;
	helpers.wanted.first = job->next;
	if (!job->next)
		helpers.wanted.end = &helpers.wanted.first;
	pthread_mutex_unlock(&helpers.lock);
	return job;
}

/* Where nobody waits for it yet, its owner will look. */
static void give_done(struct io_job *job)
{
	uint64_t one = 1;
	bool is_awaited;

	pthread_mutex_lock(&helpers.lock);
	jobs_add(&helpers.done, job);
	is_awaited = job->fiber != NULL;
	pthread_mutex_unlock(&helpers.lock);
	if (is_awaited && write(helpers.eventfd, &one, sizeof(one)) < 0)
		panic("write to eventfd: %m");
}

static void *helper(void *nothing)
{
	(void)nothing;
	for (;;) {
		struct io_job *job = take_wanted();

		errno = 0;
		job->result = job->call(job->context);
		job->error = errno;
		give_done(job);
	}
	return NULL;
}

/* All that is done is its owners' again. Who waits for `awaited`, if it is not
 * among that, will be woken. */
static void take_done(struct io_job *awaited)
{
	struct io_job *job;

	pthread_mutex_lock(&helpers.lock);
	job = helpers.done.first;
	jobs_init(&helpers.done);
	for (struct io_job *j = job; j; j = j->next)
		j->done = true;
	if (awaited && !awaited->done)
		awaited->fiber = io_self();
	pthread_mutex_unlock(&helpers.lock);
	while (job) {
		struct io_job *next = job->next;

		if (job->fiber)
			io_wake(job->fiber, 0);
		job = next;
	}
}

/* In the scheduler: jobs are done. */
static void wake_owners(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		panic("read from eventfd: %m");
	take_done(NULL);
}

bool io_has_helpers(void)
{
	return helpers.threads > 0 && io_self();
}

void io_helpers_start(int threads)
{
	sigset_t every, before;
	pthread_attr_t attributes;

	if (helpers.threads > 0 || threads < 1)
		return;
	if (threads > HELPERS_MOST)
		threads = HELPERS_MOST;
	jobs_init(&helpers.wanted);
	jobs_init(&helpers.done);
	helpers.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (helpers.eventfd < 0 || sem_init(&helpers.wanted_count, 0, 0) < 0)
		starved("helper threads: %m");
	ready_watch(helpers.eventfd, wake_owners);
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, HELPER_STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (; helpers.threads < threads; helpers.threads++) {
		pthread_t thread;

		errno = pthread_create(&thread, &attributes, helper, NULL);
		if (errno)
			starved("helper thread: %m");
	}
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void io_job_begin(struct io_job *job, int (*call)(void *context),
	void *context)
{
	*job = (struct io_job){ .call = call, .context = context };
	if (helpers.threads == 0 || !io_self())
		return;
	job->begun = true;
	pthread_mutex_lock(&helpers.lock);
	jobs_add(&helpers.wanted, job);
	pthread_mutex_unlock(&helpers.lock);
	sem_post(&helpers.wanted_count);
}

int io_job_end(struct io_job *job)
{
	if (!job->begun)
		return job->call(job->context);
	if (!job->done)
		take_done(job);
	while (!job->done)
		io_park_deaf();
	errno = job->error;
	return job->result;
}

bool io_job_is_done(struct io_job *job)
{
	if (job->begun && !job->done)
		take_done(NULL);
	return job->done;
}

int io_help(int (*call)(void *context), void *context)
{
	struct io_job job;

	io_job_begin(&job, call, context);
	return io_job_end(&job);
}

/* Threads do not survive a fork; a child that wants some starts its own. */
void helper_forked(void)
{
	if (helpers.threads == 0)
		return;
	close(helpers.eventfd);
	helpers.threads = 0;
	pthread_mutex_init(&helpers.lock, NULL);
}

static int call_fdatasync(void *context)
{
	return fdatasync(*(int *)context);
}

static int call_fsync(void *context)
{
	return fsync(*(int *)context);
}

static int call_syncfs(void *context)
{
	return syncfs(*(int *)context);
}

int io_fdatasync(int fd)
{
	return io_help(call_fdatasync, &fd);
}

int io_fdatasync_here(int fd)
{
	return fdatasync(fd);
}

int io_fsync(int fd)
{
	return io_help(call_fsync, &fd);
}

int io_syncfs(int fd)
{
	return io_help(call_syncfs, &fd);
}
