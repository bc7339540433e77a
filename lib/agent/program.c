#include "agent/program.h"

#include "base/log.h"
#include "io/fiber.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static _Noreturn void become_program(const struct program_plan *plan, int in,
	int out)
{
	const char *const no_paths[] = { NULL };
	const struct sandbox_child child = {
		.profile = PROFILE_DELIVER,
		.sys_uid = plan->sys_uid,
		.sys_gid = plan->sys_gid,
		.paths = no_paths,
	};

	io_forked();
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
		dup2(out, STDERR_FILENO) < 0)
		_exit(EX_OSERR);
	close_range(3, ~0U, 0);
	setsid();
	umask(077);
	if (!sandbox_become(&child))
		_exit(EX_TEMPFAIL);
	if (plan->directory && chdir(plan->directory) < 0)
		_exit(EX_TEMPFAIL);
	execvpe(plan->argv[0], plan->argv, plan->environment);
	dprintf(STDERR_FILENO, "execute %s: %m\n", plan->argv[0]);
	_exit(EX_TEMPFAIL); /* it may come back, as after an upgrade */
}

bool program_start(struct program *program, const struct program_plan *plan,
	int in, int out)
{
	*program = (struct program){ .pid_fd = -1, .what = plan->what };
	if (!sandbox_prepare(PROFILE_DELIVER))
		return false;
	program->pid = fork();
	if (program->pid == 0)
		become_program(plan, in, out);
	if (program->pid < 0)
		return false;
	program->pid_fd = (int)syscall(SYS_pidfd_open, program->pid, 0);
	return true;
}

static void kill_all(const struct program *program)
{
	kill(-program->pid, SIGKILL);
	kill(program->pid, SIGKILL);
}

int program_end(struct program *program, struct moment limit, bool *late)
{
	int status = W_EXITCODE(EX_TEMPFAIL, 0);
	pid_t ended;

	*late = !io_wait(program->pid_fd, POLLIN, moment_left(limit)) &&
		errno == ETIMEDOUT;
	ended = waitpid(program->pid, &status, WNOHANG);
	if (ended == 0) {
		kill_all(program);
		while (waitpid(program->pid, &status, 0) < 0 && errno == EINTR)
			;
	} else if (ended == program->pid) {
		kill(-program->pid, SIGKILL); /* what it left in the background */
	} else {
		log_warning("%s: how it ended is not known: %m",
			program->what);
	}
	io_close(program->pid_fd);
	return status;
}
