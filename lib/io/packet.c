#include "io/packet.h"

#include "io/fiber.h"
#include "io/scheduler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum {
	/* Room for more than is declared: what comes above must be closed. */
	CONTROL_OCTETS = CMSG_SPACE(sizeof(int) * 2 * PACKET_FDS_MOST),
};

union control {
	char octets[CONTROL_OCTETS];
	struct cmsghdr header; /* for its alignment */
};

bool io_packet_send(int fd, const struct iovec *pieces, size_t piece_count,
	const int *fds, size_t fd_count, struct span timeout)
{
	union control control = { 0 };
	/* sendmsg does not write to the pieces */
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)pieces,
		.msg_iovlen = piece_count };
	struct moment until = MOMENT_NEVER;
	bool has_waited = false;

	if (fd_count > PACKET_FDS_MOST) {
		errno = EINVAL;
		return false;
	}
	if (fd_count > 0) {
		message.msg_control = control.octets;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
	}
	while (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return false;
		if (!has_waited)
			until = moment_after(timeout);
		has_waited = true;
		if (!io_wait_again(fd, POLLOUT, moment_left(until)))
			return false;
	}
	return true;
}

/* The descriptors that came, at most 2 * PACKET_FDS_MOST. */
static size_t take_fds(struct msghdr *message, int *fds)
{
	size_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
		c = CMSG_NXTHDR(message, c)) {
		size_t more;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		more = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (more > 2 * PACKET_FDS_MOST - count)
			panic("more descriptors than there was room for");
		memcpy(fds + count, CMSG_DATA(c), more * sizeof(int));
		count += more;
	}
	for (size_t i = 0; i < count; i++)
		io_fresh(fds[i]);
	return count;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static bool wait_for_packet(int fd, struct msghdr *message,
	struct span timeout, ssize_t *got)
{
	struct moment until = MOMENT_NEVER;
	bool has_waited = false;
	size_t room = message->msg_controllen;

	for (;;) {
		message->msg_controllen = room;
		*got = recvmsg(fd, message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (*got >= 0)
			return true;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return false;
		if (!has_waited)
			until = moment_after(timeout);
		has_waited = true;
		if (!io_wait_again(fd, POLLIN, moment_left(until)))
			return false;
	}
}

/* What the kernel says of a packet of `got` octets; errno when it is none. */
static bool take_packet(struct msghdr *message, size_t got, int *fds,
	size_t fds_most, size_t *fd_count)
{
	int came[2 * PACKET_FDS_MOST] left_as_is;
	size_t count = take_fds(message, came);

	errno = message->msg_flags & (MSG_CTRUNC | MSG_TRUNC) ||
			count > fds_most ? EMSGSIZE : 0;
	if (errno || got == 0) {
		int error = errno;

		close_all(came, count);
		errno = error;
		return false;
	}
	if (count > 0)
		memcpy(fds, came, count * sizeof(int));
	*fd_count = count;
	return true;
}

bool io_packet_recv(int fd, void *into, size_t cap, size_t *len, int *fds,
	size_t fds_most, size_t *fd_count, struct span timeout)
{
	union control control = { 0 };
	struct iovec piece = { .iov_base = into, .iov_len = cap };
	struct msghdr message = { .msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.octets,
		.msg_controllen = sizeof(control.octets) };
	ssize_t got;

	*len = *fd_count = 0;
	if (!wait_for_packet(fd, &message, timeout, &got) ||
		!take_packet(&message, (size_t)got, fds, fds_most, fd_count))
		return false;
	*len = (size_t)got;
	return true;
}

/* recvmmsg that waits. A call for more than there is says so by its result,
 * which saves the one that would answer EAGAIN. */
static bool wait_for_packets(int fd, struct mmsghdr *messages, size_t most,
	size_t *count, bool *drained, struct span timeout)
{
	struct moment until = MOMENT_NEVER;
	bool has_waited = false;
	int got;

	for (;;) {
		while (*drained) {
			if (!has_waited)
				until = moment_after(timeout);
			has_waited = true;
			if (!io_wait_again(fd, POLLIN, moment_left(until)))
				return false;
			*drained = false;
		}
		for (size_t i = 0; i < most; i++)
			messages[i].msg_hdr.msg_controllen = CONTROL_OCTETS;
		got = recvmmsg(fd, messages, (unsigned)most,
			MSG_CMSG_CLOEXEC | MSG_DONTWAIT, NULL);
		if (got > 0)
			break;
		if (got == 0 || errno == EAGAIN)
			*drained = true;
		else if (errno != EINTR)
			return false;
	}
	*count = (size_t)got;
	*drained = (size_t)got < most;
	return true;
}

bool io_packets_recv(int fd, struct io_packet *packets, size_t most,
	size_t *count, bool *drained, struct span timeout)
{
	union control controls[PACKETS_MOST] left_as_is;
	struct iovec pieces[PACKETS_MOST] left_as_is;
	struct mmsghdr messages[PACKETS_MOST] left_as_is;
	size_t came = 0;

	if (most > PACKETS_MOST)
		most = PACKETS_MOST;
	memset(messages, 0, most * sizeof(messages[0]));
	for (size_t i = 0; i < most; i++) {
		pieces[i] = (struct iovec){ packets[i].octets, packets[i].cap };
		messages[i].msg_hdr.msg_iov = &pieces[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		messages[i].msg_hdr.msg_control = controls[i].octets;
		packets[i].len = packets[i].fd_count = 0;
	}
	*count = 0;
	if (!wait_for_packets(fd, messages, most, &came, drained, timeout))
		return false;
	for (size_t i = 0; i < came; i++) {
		struct io_packet *packet = &packets[i];

		packet->len = messages[i].msg_len;
		if (!take_packet(&messages[i].msg_hdr, packet->len,
			    packet->fds, PACKET_FDS_MOST, &packet->fd_count))
			packet->len = 0; /* the end, or refused */
	}
	*count = came;
	return true;
}

/* Errors of a connection that died before we took it: accept(2). */
static bool is_passing(int error)
{
	return error == EINTR || error == ECONNABORTED || error == ENETDOWN ||
		error == EPROTO || error == ENOPROTOOPT ||
		error == EHOSTDOWN || error == ENONET ||
		error == EHOSTUNREACH || error == ENETUNREACH;
}

int io_accept(int listener, struct sockaddr_storage *address,
	struct span timeout)
{
	struct moment until = moment_after(timeout);

	/* Waiting first costs nothing where one waits anyway; an accept4 that
	 * finds nobody would be a call for each client. */
	while (ready_wait_exclusive(listener, moment_left(until))) {
		socklen_t len = sizeof(*address);
		int fd = accept4(listener, (struct sockaddr *)address,
			address ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			io_fresh(fd);
			return fd;
		}
		if (!is_passing(errno) && errno != EAGAIN)
			return -1;
	}
	return -1;
}

bool io_connect(int fd, const struct sockaddr *address, socklen_t len,
	struct span timeout)
{
	struct moment until = moment_after(timeout);
	int error = 0;
	socklen_t error_len = sizeof(error);

	io_fresh(fd);
	while (connect(fd, address, len) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EISCONN)
			return true;
		if (errno == EAGAIN) { /* UNIX: the queue is full, no event */
			if (moment_left(until).us == 0) {
				errno = ETIMEDOUT;
				return false;
			}
			if (!io_sleep(span_ms(10)))
				return false;
			continue;
		}
		if (errno != EINPROGRESS && errno != EALREADY)
			return false;
		/* On this machine it is done by now, and asking again takes
		 * less than to wait. */
		if (connect(fd, address, len) == 0 || errno == EISCONN)
			return true;
		if (errno != EINPROGRESS && errno != EALREADY)
			return false;
		if (!io_wait(fd, POLLOUT, moment_left(until)))
			return false;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) <
			0)
			return false;
		errno = error;
		return error == 0;
	}
	return true;
}

bool packet_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0, pair) < 0)
		return false;
	io_fresh(pair[0]);
	io_fresh(pair[1]);
	return true;
}
