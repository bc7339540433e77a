/*
 * io/helper - calls that block (fsync and friends) in helper threads.
 *
 * Helper threads exist only in processes that call io_helpers_start, which
 * they do after the sandbox has closed; a process that forks without exec has
 * none. Without helpers the calls are made directly, in place.
 *
 * Waits    all but io_helpers_start and io_job_begin
 * Errors   as the system call, errno set
 */
#ifndef IO_HELPER_H
#define IO_HELPER_H

#include "base/base.h"

/* threads: 1 to 16. Threads block all signals. */
void io_helpers_start(int threads);
/* Others run while a call is made. */
bool io_has_helpers(void);

/* Run call(context) in a helper while other fibers run; its result, its
 * errno. The context must outlive the call: a cancelled fiber still waits. */
int io_help(int (*call)(void *context), void *context);

/*
 * The same in two steps, with work of one's own between them: who begins a job
 * ends it, and neither the job nor its context may go before. Without helpers
 * the call is made by the end.
 */
struct io_job {
	int (*call)(void *context);
	void *context;
	/* for helper.c */
	struct io_job *next;
	struct fiber *fiber; /* that waits for it */
	int result, error;
	bool begun, done;
};

void io_job_begin(struct io_job *job, int (*call)(void *context),
	void *context);
/* Also where the fiber is cancelled, it waits for the end of the call. */
int io_job_end(struct io_job *job);
/* Its end need not wait. */
bool io_job_is_done(struct io_job *job);

int io_fdatasync(int fd);
/* The same without a helper: nothing else runs meanwhile. Does not wait. */
int io_fdatasync_here(int fd);
int io_fsync(int fd);
int io_syncfs(int fd);

#endif
