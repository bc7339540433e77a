#include "service/child.h"

#include "base/log.h"
#include "base/memory.h"
#include "io/fiber.h"
#include "io/helper.h"
#include "io/packet.h"
#include "log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KEEP_MOST = 16,
};

/* In the child: what its fibers work on. */
struct child {
	const struct child_plan *plan;
	int fd;
	struct peer *peer;
	struct moment idle_since; /* the end of the last call */
};

static int by_number(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* All but 0, 1, 2 and those. */
static void close_others(const struct child_plan *plan, int fd)
{
	int keep[KEEP_MOST] = { fd, log_forked() };
	size_t count = 2;
	unsigned from = 3;

	for (const int *at = plan->keep; at && *at >= 0; at++)
		if (count < KEEP_MOST)
			keep[count++] = *at;
	qsort(keep, count, sizeof(*keep), by_number);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)from)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0U, 0);
}

/* The table of descriptors is as long as the greatest number in it, and a busy
 * parent has many. */
static int lowest(int fd)
{
	int low = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (low < 0)
		return fd;
	close(fd);
	return low;
}

static void serve(struct call *call, void *context)
{
	struct child *child = context;

	child->plan->serve(call, child->plan->context);
	if (peer_calls(child->peer) <= 1) /* this one */
		child->idle_since = moment_now();
}

/* How long it may be idle from now on. */
static struct span time_left(const struct child *child)
{
	if (peer_calls(child->peer) > 0)
		return child->plan->idle;
	return span_us(child->plan->idle.us -
		moment_between(child->idle_since, moment_now()).us);
}

static void run_child(void *context)
{
	struct child *child = context;
	const struct child_plan *plan = child->plan;
	struct peer *peer = peer_open(child->fd, plan->name, serve, child);

	child->idle_since = moment_now();
	child->peer = peer;
	while (peer_is_alive(peer)) {
		struct span left = time_left(child);

		if (left.us <= 0)
			break;
		if (!io_event_wait(peer_news(), left) && errno == ECANCELED)
			break;
	}
	while (peer_calls(peer) > 0 && peer_is_alive(peer))
		if (!io_event_wait(peer_news(), SPAN_FOREVER))
			break;
	if (plan->finish)
		plan->finish(plan->context);
	peer_close(peer);
	io_stop();
}

static _Noreturn void become_child(const struct child_plan *plan, int fd)
{
	struct child child = { .plan = plan, .fd = fd };

	io_forked();
	peer_forked();
	close_others(plan, fd);
	child.fd = lowest(fd);
	if (plan->prepare)
		plan->prepare(plan->context);
	memory_return();
	if (!sandbox_become(&plan->sandbox)) {
		log_warning("cannot work as uid %u: %m",
			plan->sandbox.sys_uid);
		_exit(75);
	}
	if (plan->helper_threads > 0)
		io_helpers_start(plan->helper_threads);
	io_run(run_child, &child);
	_exit(0);
}

struct peer *child_fork(const struct child_plan *plan)
{
	int pair[2];
	pid_t pid;

	if (!sandbox_prepare(plan->sandbox.profile) || !packet_pair(pair))
		return NULL;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		become_child(plan, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return NULL;
	}
	if (plan->pid)
		*plan->pid = pid;
	return peer_open(pair[0], plan->name, NULL, NULL);
}

int child_reap(int *crashed)
{
	int count = 0, status;
	pid_t pid;

	*crashed = 0;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		count++;
		if (WIFSIGNALED(status)) {
			*crashed = pid;
			log_warning("child %d killed by signal %d", pid,
				WTERMSIG(status));
		}
	}
	return count;
}
