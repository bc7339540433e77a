#include "io/fiber.h"
#include "io/scheduler.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static struct {
	sigset_t watched;
	uint64_t arrived; /* bit per signal number */
	int fd;           /* + 1, so that zero is "none" */
	struct io_event event;
} signals;

static void take_signals(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signals.arrived |= (uint64_t)1 << info.ssi_signo;
	io_event_wake_all(&signals.event);
}

void io_signal_watch(int signal_number)
{
	int fd;

	if (signals.fd == 0) {
		sigemptyset(&signals.watched);
		io_event_init(&signals.event);
	}
	sigaddset(&signals.watched, signal_number);
	sigprocmask(SIG_BLOCK, &signals.watched, NULL);
	fd = signalfd(signals.fd - 1, &signals.watched,
		SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		starved("signalfd: %m");
	if (signals.fd == 0)
		ready_watch(fd, take_signals);
	signals.fd = fd + 1;
}

int io_signal_wait(struct span timeout)
{
	struct moment until = moment_after(timeout);

	if (signals.fd == 0)
		panic("io_signal_wait before io_signal_watch");
	while (signals.arrived == 0)
		if (!io_event_wait(&signals.event, moment_left(until)))
			return -1;
	for (int number = 1;; number++)
		if (signals.arrived & (uint64_t)1 << number) {
			signals.arrived &= ~((uint64_t)1 << number);
			return number;
		}
}

void signals_forked(void)
{
	if (signals.fd == 0)
		return;
	close(signals.fd - 1);
	signals.fd = 0;
	signals.arrived = 0;
	sigprocmask(SIG_UNBLOCK, &signals.watched, NULL);
}
