/*
 * Which descriptors are ready. Each is registered once, edge-triggered, and
 * stays so: a wait of a busy connection costs no system call of its own. What
 * epoll reported while nobody waited is remembered. Interest in output is
 * added when a writer has to wait, and dropped when it is no longer of use: a
 * UNIX socket would wake us each time the other side reads.
 */
#include "io/fiber.h"
#include "io/scheduler.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	EVENTS_MOST = 64, /* of one epoll_wait */
	INPUT = EPOLLIN | EPOLLRDHUP,
};

struct descriptor {
	struct fiber *reader, *writer;
	void (*when)(int fd);
	uint32_t interest;   /* as epoll knows it; 0: not registered */
	uint32_t generation; /* of the number; events of older ones are void */
	bool readable;       /* was reported, nobody has waited since */
	bool ended;          /* input ended or hung up: reading never waits */
	bool always;         /* a file: epoll does not take it */
};

static struct {
	int epoll; /* + 1, so that zero is "none" */
	struct descriptor *of;
	size_t room;
} known;

static int epoll_fd(void)
{
	if (known.epoll == 0) {
		known.epoll = epoll_create1(EPOLL_CLOEXEC) + 1;
		if (known.epoll == 0)
			starved("epoll_create1: %m");
	}
	return known.epoll - 1;
}

static struct descriptor *descriptor_of(int fd)
{
	if (fd < 0)
		panic("a wait for descriptor %d", fd);
	array_grow(&known.of, &known.room, (size_t)fd + 1,
		sizeof(struct descriptor));
	return &known.of[fd];
}

/* Tell epoll; also fine when our memory of the descriptor is out of date. */
static bool interest_set(int fd, struct descriptor *d, uint32_t interest)
{
	struct epoll_event event = {
		.events = interest,
		.data.u64 = (uint64_t)d->generation << 32 | (uint32_t)fd,
	};
	int action = d->interest ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	d->always = false;
	if (epoll_ctl(epoll_fd(), action, fd, &event) < 0 &&
		((errno != EEXIST && errno != ENOENT) ||
			epoll_ctl(epoll_fd(),
				errno == EEXIST ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
				fd, &event) < 0)) {
		d->interest = 0;
		d->always = errno == EPERM;
		return d->always;
	}
	d->interest = interest;
	return true;
}

static void interest_drop(int fd, struct descriptor *d)
{
	if (d->interest)
		epoll_ctl(epoll_fd(), EPOLL_CTL_DEL, fd, NULL);
	d->interest = 0;
}

void io_fresh(int fd)
{
	struct descriptor *d = descriptor_of(fd);

	if (d->reader)
		io_wake(d->reader, EBADF);
	if (d->writer)
		io_wake(d->writer, EBADF);
	*d = (struct descriptor){ .generation = d->generation + 1 };
}

void io_forget(int fd)
{
	if (fd < 0 || (size_t)fd >= known.room)
		return;
	interest_drop(fd, &known.of[fd]);
	io_fresh(fd);
}

void io_close(int fd)
{
	int saved = errno;

	if (fd < 0)
		return;
	io_forget(fd);
	close(fd);
	errno = saved;
}

static bool poll_outside(int fd, short events, struct moment until)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	for (;;) {
		struct span left = moment_left(until);
		int64_t ms = left.us == INT64_MAX ? -1 : (left.us + 999) / 1000;
		int got = poll(&poll_fd, 1,
			ms > INT32_MAX ? INT32_MAX : (int)ms);

		if (got > 0)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (got == 0 && moment_left(until).us == 0) {
			errno = ETIMEDOUT;
			return false;
		}
	}
}

static bool is_wanted(const struct descriptor *d, short events,
	uint32_t exclusive)
{
	uint32_t wanted = exclusive ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLET;

	if (events & POLLIN && !exclusive)
		wanted |= INPUT;
	if (events & POLLOUT)
		wanted |= EPOLLOUT;
	return (d->interest & wanted) == wanted;
}

/* Registered for `events`, without a call if it is so already. */
static bool register_for(int fd, struct descriptor *d, short events,
	uint32_t exclusive, bool again)
{
	uint32_t interest = INPUT | EPOLLET;

	if (again && (d->always || is_wanted(d, events, exclusive)))
		return true;
	if (exclusive) {
		interest_drop(fd, d); /* such ones cannot be modified */
		return interest_set(fd, d, EPOLLIN | EPOLLEXCLUSIVE);
	}
	if (events & POLLOUT || d->writer)
		interest |= EPOLLOUT;
	d->readable = d->ended = false; /* is reported anew */
	return interest_set(fd, d, interest);
}

static bool wait_for(int fd, short events, struct moment until,
	uint32_t exclusive, bool again)
{
	struct descriptor *d = descriptor_of(fd);
	struct fiber *self = io_self();
	int reason;

	if (!self)
		return poll_outside(fd, events, until);
	if (io_is_cancelled()) {
		errno = ECANCELED;
		return false;
	}
	if (!register_for(fd, d, events, exclusive, again))
		return false;
	if (d->always || (events & POLLIN && (d->readable || d->ended))) {
		d->readable = false;
		return true;
	}
	if ((events & POLLIN && d->reader) || (events & POLLOUT && d->writer))
		panic("two fibers wait for descriptor %d", fd);
	if (events & POLLIN)
		d->reader = self;
	if (events & POLLOUT)
		d->writer = self;
	reason = io_park(until);
	d = descriptor_of(fd); /* the table may have moved */
	if (d->reader == self)
		d->reader = NULL;
	if (d->writer == self)
		d->writer = NULL;
	if (reason)
		errno = reason;
	return reason == 0;
}

bool io_wait(int fd, short events, struct span timeout)
{
	return wait_for(fd, events, moment_after(timeout), 0, false);
}

bool io_wait_again(int fd, short events, struct span timeout)
{
	return wait_for(fd, events, moment_after(timeout), 0, true);
}

bool io_wait_again_until(int fd, short events, struct moment until)
{
	return wait_for(fd, events, until, 0, true);
}

bool ready_wait_exclusive(int fd, struct span timeout)
{
	return wait_for(fd, POLLIN, moment_after(timeout), EPOLLEXCLUSIVE,
		true);
}

void ready_watch(int fd, void (*when)(int fd))
{
	struct descriptor *d = descriptor_of(fd);

	io_fresh(fd);
	d->when = when;
	if (!interest_set(fd, d, EPOLLIN))
		starved("epoll_ctl: %m");
}

static void input_came(int fd, struct descriptor *d, uint32_t events)
{
	if (d->when) {
		d->when(fd);
		return;
	}
	d->ended = d->ended || events & (EPOLLRDHUP | EPOLLHUP);
	if (d->reader)
		io_wake(d->reader, 0);
	else if (d->interest & EPOLLET)
		d->readable = true;
	else
		interest_drop(fd, d); /* a listener that nobody accepts from */
}

static void output_went(int fd, struct descriptor *d, uint32_t events)
{
	if (d->writer)
		io_wake(d->writer, 0);
	else if (events & EPOLLOUT && d->interest & EPOLLOUT)
		interest_set(fd, d, d->interest & ~(uint32_t)EPOLLOUT);
}

void ready_poll(int timeout_ms)
{
	struct epoll_event events[EVENTS_MOST] left_as_is;
	int count = epoll_wait(epoll_fd(), events, EVENTS_MOST, timeout_ms);

	/* We were stopped, and go on: what came meanwhile is seen before
	 * anybody's time is up. */
	while (count < 0 && errno == EINTR)
		count = epoll_wait(epoll_fd(), events, EVENTS_MOST, 0);
	if (count < 0)
		panic("epoll_wait: %m");
	for (int i = 0; i < count; i++) {
		int fd = (int)(uint32_t)events[i].data.u64;
		struct descriptor *d = descriptor_of(fd);
		uint32_t what = events[i].events;

		if (d->generation != events[i].data.u64 >> 32)
			continue;
		if (what & (INPUT | EPOLLERR | EPOLLHUP))
			input_came(fd, d, what);
		if (what & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			output_went(fd, d, what);
	}
}

void ready_forked(void)
{
	if (known.epoll)
		close(known.epoll - 1);
	free(known.of);
	known.epoll = 0;
	known.of = NULL;
	known.room = 0;
}
