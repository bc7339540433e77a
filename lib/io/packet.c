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

bool io_packet_recv(int fd, void *into, size_t cap, size_t *len, int *fds,
	size_t fds_most, size_t *fd_count, struct span timeout)
{
	union control control = { 0 };
	struct iovec piece = { .iov_base = into, .iov_len = cap };
	struct msghdr message = { .msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.octets,
		.msg_controllen = sizeof(control.octets) };
	int came[2 * PACKET_FDS_MOST];
	size_t count;
	ssize_t got;

	*len = *fd_count = 0;
	if (!wait_for_packet(fd, &message, timeout, &got))
		return false;
	count = take_fds(&message, came);
	if (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC) || count > fds_most) {
		close_all(came, count);
		errno = EMSGSIZE;
		return false;
	}
	if (got == 0) {
		close_all(came, count);
		errno = 0;
		return false;
	}
	if (count > 0)
		memcpy(fds, came, count * sizeof(int));
	*fd_count = count;
	*len = (size_t)got;
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

	for (;;) {
		socklen_t len = sizeof(*address);
		int fd = accept4(listener, (struct sockaddr *)address,
			address ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			io_fresh(fd);
			return fd;
		}
		if (is_passing(errno))
			continue;
		if (errno != EAGAIN)
			return -1;
		if (!ready_wait_exclusive(listener, moment_left(until)))
			return -1;
	}
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
