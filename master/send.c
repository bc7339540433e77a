#include "master/state.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	PACKET_MOST = 1024, /* octets; nothing is allocated for it */
};

/* To be sent with a packet; the room is that of `control`. */
static void attach(struct msghdr *msg, struct cmsghdr *control, const int *fds,
	size_t count)
{
	msg->msg_control = control;
	msg->msg_controllen = CMSG_SPACE(count * sizeof(int));
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(control), fds, count * sizeof(int));
}

bool packet_send(int to, struct frame *frame, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(PACKET_FDS * sizeof(int))];
	} control = { 0 };
	char octets[PACKET_MOST];
	struct buf out = { .p = octets, .cap = sizeof(octets),
		.limit = sizeof(octets) };
	struct iovec piece;
	struct msghdr msg = { .msg_iov = &piece, .msg_iovlen = 1 };

	frame->flags |= (uint16_t)(fd_count << FRAME_FDS_SHIFT);
	frame_format(&out, frame);
	if (out.failed || fd_count > PACKET_FDS) {
		errno = EMSGSIZE;
		return false;
	}
	piece = (struct iovec){ .iov_base = out.p, .iov_len = out.len };
	if (fd_count > 0)
		attach(&msg, &control.header, fds, fd_count);
	return sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}
