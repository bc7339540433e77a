#include "master/state.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EVENTS_MOST = 64, TICK_MS = 1000 };

static struct epoll_event event_of(enum source source, size_t number)
{
	return (struct epoll_event){
		.events = EPOLLIN,
		.data.u64 = (uint64_t)source << 32 | number,
	};
}

bool loop_add(int fd, enum source source, size_t number)
{
	struct epoll_event event = event_of(source, number);

	if (epoll_ctl(state.epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return true;
	log_warning("epoll_ctl: %m");
	return false;
}

void loop_want_output(int fd, enum source source, bool output)
{
	struct epoll_event event = event_of(source, 0);

	if (output)
		event.events |= EPOLLOUT;
	epoll_ctl(state.epoll, EPOLL_CTL_MOD, fd, &event);
}

void loop_remove(int fd)
{
	if (fd >= 0)
		epoll_ctl(state.epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void on_signal(void)
{
	struct signalfd_siginfo info;

	while (read(state.signals, &info, sizeof(info)) ==
		(ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGHUP:
			if (state.stage == STAGE_RUNNING && !state.checker)
				reload_begin(-1);
			break;
		case SIGTERM:
		case SIGINT:
			if (state.stage <= STAGE_RUNNING)
				log_info("terminating on signal %u",
					info.ssi_signo);
			stop_begin(NULL, span_s(5), false);
			break;
		default:
			break; /* SIGCHLD: children_reap */
		}
	}
}

static void on_event(uint64_t data)
{
	size_t number = (uint32_t)data;

	switch ((enum source)(data >> 32)) {
	case SOURCE_SIGNALS:
		on_signal();
		break;
	case SOURCE_CONTROL:
		control_accept();
		break;
	case SOURCE_CLIENT:
		control_event(number);
		break;
	case SOURCE_CHILD:
		child_event(&state.children[number]);
		break;
	case SOURCE_LISTENER:
		if (number < state.row_count)
			listen_event(&state.rows[number]);
		break;
	case SOURCE_LOG:
		rings_event();
		break;
	}
}

static bool has_timers(void)
{
	if (state.stage > STAGE_RUNNING || state.stage == STAGE_STARTING ||
		state.log_socket < 0)
		return true;
	for (size_t i = 0; i < WAITING_MOST; i++)
		if (state.waiting[i].asker)
			return true;
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		if (state.children[i].state == CHILD_STARTING ||
			(state.children[i].state == CHILD_READY &&
				state.children[i].channel < 0))
			return true;
	for (size_t i = 0; i < state.row_count; i++)
		if (state.rows[i].successor_due || state.rows[i].vain ||
			state.rows[i].is_missed ||
			moment_left(state.rows[i].throttled_until).us > 0)
			return true;
	return false;
}

/* How long epoll may wait: nothing to look at, nobody is woken. */
static int patience_ms(void)
{
	int64_t ms = span_to_ms(moment_left(wakeup_next()));
	int64_t tickets_ms = span_to_ms(moment_left(tickets_next()));

	if (ms > tickets_ms)
		ms = tickets_ms;
	if (has_timers() && ms > TICK_MS)
		ms = TICK_MS;
	if (state.stage > STAGE_RUNNING && ms > 50)
		ms = 50;
	if (ms > 3600 * 1000)
		ms = 3600 * 1000;
	return (int)ms + 1;
}

void loop_run(void)
{
	struct epoll_event events[EVENTS_MOST];
	struct moment ticked = { 0 };

	tickets_tick(); /* before there is anybody who wants one */
	for (;;) {
		int count = epoll_wait(state.epoll, events, EVENTS_MOST,
			patience_ms());

		/* Stopped, and gone on: answers before what is overdue. */
		while (count < 0 && errno == EINTR)
			count = epoll_wait(state.epoll, events, EVENTS_MOST, 0);
		for (int i = 0; i < count; i++)
			on_event(events[i].data.u64);
		children_reap();
		wakeup_tick();
		tickets_tick();
		if (state.stage > STAGE_RUNNING)
			stop_tick();
		if (moment_between(ticked, moment_now()).us < TICK_MS * 1000)
			continue;
		ticked = moment_now();
		children_tick();
		listen_tick();
		rings_tick();
		introduce_tick();
		ready_look();
	}
}
