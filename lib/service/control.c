#include "service/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/packet.h"
#include "ipc/frame.h"
#include "ipc/messages.h"

enum { CONTROL_CALL = 1, PATIENCE_S = 120, ANSWER_MOST = 64 * 1024 };

static int connect_control(const struct conf *conf)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path),
		    "%.*s/public/control", STR_ARG(conf->queue_directory)) >=
		sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&address,
			      sizeof(address)) < 0)
		return -1;
	return fd_keep(&fd);
}

static bool parse_answer(struct arena *arena, struct str packet,
	struct control_answer *answer)
{
	struct msg_controlled m;
	struct frame frame;

	errno = EPROTO;
	if (!frame_take(&packet, &frame) || packet.len > 0 ||
		frame.kind != MSG_controlled ||
		!msg_controlled_parse(frame.body, &m))
		return false;
	answer->status = (int)m.status;
	answer->text = arena_copy(arena, m.text);
	return true;
}

bool control_ask(struct arena *arena, const struct conf *conf,
	const char *verb, struct str argument, int report,
	struct control_answer *answer)
{
	auto_close int fd = connect_control(conf);
	auto_buf struct buf body = { 0 }, out = { 0 };
	struct msg_control m = { .verb = str_from(verb), .argument = argument,
		.report = report };
	struct frame frame = { .call = CONTROL_CALL, .kind = MSG_control,
		.flags = report > 0 ? 1 << FRAME_FDS_SHIFT : 0 };
	char *packet = arena_alloc(arena, ANSWER_MOST);
	struct iovec piece;
	size_t len, fd_count;

	if (fd < 0)
		return false;
	msg_control_format(&body, &m);
	frame.body = buf_str(&body);
	frame_format(&out, &frame);
	piece = (struct iovec){ .iov_base = out.p, .iov_len = out.len };
	if (!io_packet_send(fd, &piece, 1, &report, report > 0 ? 1 : 0,
		    span_s(PATIENCE_S)) ||
		!io_packet_recv(fd, packet, ANSWER_MOST, &len, NULL, 0,
			&fd_count, span_s(PATIENCE_S))) {
		if (errno == 0)
			errno = ECONNRESET;
		return false;
	}
	return parse_answer(arena, str_of(packet, len), answer);
}
