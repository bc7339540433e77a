#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/ring.h"
#include "log/sink.h"

enum { LOG_CALL = 1 };

bool rings_start(void)
{
	int ring, own;

	for (size_t i = 0; i < RINGS_MOST; i++)
		state.rings[i].fd = -1;
	state.log_socket = -1;
	state.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring = ring_new();
	if (state.wake < 0 || ring < 0)
		return false;
	own = fcntl(ring, F_DUPFD_CLOEXEC, 0);
	ring_born(ring, getpid());
	return own >= 0 && log_to_ring(own, fcntl(state.wake, F_DUPFD_CLOEXEC,
						  0),
		arena_fmt(state.arena, "%.*s/master",
			STR_ARG(state.conf->syslog_name)));
}

int ring_new(void)
{
	return log_ring_create();
}

/* One frame of the one call to postlogd. False: not sent, errno. */
static bool send_frame(enum msg_kind kind, struct str body, const int *fds,
	size_t fd_count)
{
	struct frame frame = { .call = LOG_CALL, .kind = (uint16_t)kind,
		.body = body, .flags = FRAME_OPENER };

	return packet_send(state.log_socket, &frame, fds, fd_count);
}

static bool tell_ring(const struct ring *ring)
{
	char octets[64];
	struct buf body = { .p = octets, .cap = sizeof(octets),
		.limit = sizeof(octets) };
	struct msg_log_ring m = { .pid = (uint64_t)ring->pid,
		.ring = ring->fd, .wake = state.wake };
	const int fds[] = { ring->fd, state.wake };

	msg_log_ring_format(&body, &m);
	return send_frame(MSG_log_ring, buf_str(&body), fds, COUNT(fds));
}

static bool tell_gone(const struct ring *ring)
{
	char octets[64];
	struct buf body = { .p = octets, .cap = sizeof(octets),
		.limit = sizeof(octets) };
	struct msg_log_gone m = { .pid = (uint64_t)ring->pid };

	msg_log_gone_format(&body, &m);
	return send_frame(MSG_log_gone, buf_str(&body), NULL, 0);
}

void rings_leave(void)
{
	if (state.log_socket < 0)
		return;
	loop_remove(state.log_socket);
	close(state.log_socket);
	state.log_socket = -1;
	state.log_wants_output = false;
	for (size_t i = 0; i < RINGS_MOST; i++)
		state.rings[i].is_told = false;
}

/* What postlogd does not know yet; stops where its socket is full. */
static void tell_all(void)
{
	bool is_full = false;

	for (size_t i = 0; i < RINGS_MOST && state.log_socket >= 0 && !is_full;
		i++) {
		struct ring *ring = &state.rings[i];

		if (ring->fd < 0)
			continue;
		if (!ring->is_told && !tell_ring(ring))
			is_full = true;
		else
			ring->is_told = true;
		if (is_full || !ring->is_gone)
			continue;
		if (!tell_gone(ring)) {
			is_full = true;
			continue;
		}
		close(ring->fd);
		ring->fd = -1;
	}
	if (state.log_socket < 0 || is_full == state.log_wants_output)
		return;
	state.log_wants_output = is_full;
	loop_want_output(state.log_socket, SOURCE_LOG, is_full);
}

void ring_born(int ring_fd, int pid)
{
	for (size_t i = 0; i < RINGS_MOST; i++) {
		struct ring *ring = &state.rings[i];

		if (ring->fd >= 0)
			continue;
		*ring = (struct ring){ .fd = ring_fd, .pid = pid };
		tell_all();
		return;
	}
	close(ring_fd); /* that process logs to nobody */
}

void ring_gone(int pid)
{
	for (size_t i = 0; i < RINGS_MOST; i++)
		if (state.rings[i].fd >= 0 && state.rings[i].pid == pid)
			state.rings[i].is_gone = true;
	tell_all();
}

void rings_postlogd(struct child *postlogd)
{
	struct msg_introduced m = { .service = STR("master"),
		.pid = (uint64_t)getpid() };
	char octets[256];
	struct buf body = { .p = octets, .cap = sizeof(octets),
		.limit = sizeof(octets) };
	int pair[2];

	rings_leave();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0, pair) < 0) {
		log_warning("socketpair: %m");
		return;
	}
	m.socket = pair[1];
	msg_introduced_format(&body, &m);
	if (loop_add(pair[0], SOURCE_LOG, 0)) {
		child_send(postlogd, MSG_introduced, buf_str(&body), pair[1]);
		state.log_socket = pair[0];
		tell_all();
	} else {
		close(pair[0]);
	}
	close(pair[1]);
}

void rings_tick(void)
{
	for (size_t i = 0; i < CHILDREN_MOST && state.log_socket < 0; i++) {
		struct child *child = &state.children[i];

		if (child->state == CHILD_READY &&
			strcmp(child->program, "postlogd") == 0)
			rings_postlogd(child);
	}
}

void rings_event(void)
{
	char ignored[512]; /* credit; the rest is none of our business */
	ssize_t len;

	if (state.log_socket < 0)
		return;
	do
		len = recv(state.log_socket, ignored, sizeof(ignored),
			MSG_DONTWAIT);
	while (len > 0);
	if (len == 0 || (errno != EAGAIN && errno != EINTR))
		rings_leave();
	else
		tell_all();
}
