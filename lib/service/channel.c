#include "service/inside.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/packet.h"
#include "ipc/frame.h"

/* One packet, one frame; its number has no meaning here. */
enum { CHANNEL_CALL = 1, CHANNEL_MOST = 4096, BIRTH_S = 5 };

bool channel_send(enum msg_kind kind, struct str body)
{
	auto_buf struct buf out = { 0 };
	struct frame frame = { .call = CHANNEL_CALL, .kind = (uint16_t)kind,
		.body = body };
	struct iovec piece;
	bool is_sent;

	errno = ECONNRESET;
	if (!self.has_master)
		return false;
	frame_format(&out, &frame);
	if (!io_gate_enter(&self.channel_gate, SPAN_FOREVER))
		return false;
	piece = (struct iovec){ .iov_base = out.p, .iov_len = out.len };
	/* master's end is never full for long: it is gone, or no memory */
	is_sent = io_packet_send(BIRTH_CHANNEL, &piece, 1, NULL, 0,
		span_s(60));
	if (!is_sent)
		log_debug("to master: %m");
	io_gate_leave(&self.channel_gate);
	return is_sent;
}

struct kick {
	struct arena *arena;
	struct str request;
};

static void run_wakeup(void *context)
{
	struct kick *kick = context;

	self.service->wakeup(self.conf, kick->request);
	arena_free(kick->arena);
}

static void start_wakeup(struct str body)
{
	struct arena *arena;
	struct msg_wakeup m;
	struct kick *kick;

	if (!msg_wakeup_parse(body, &m) || !self.service->wakeup)
		return;
	self.idle_since = moment_now();
	arena = arena_new(0);
	kick = arena_new_of(arena, struct kick);
	kick->arena = arena;
	kick->request = arena_copy(arena, m.request);
	io_spawn("wakeup", run_wakeup, kick);
}

/* Owns the descriptor from now on. */
static void introduced(struct str body, int fd)
{
	struct msg_introduced m;

	if (!msg_introduced_parse(body, &m) ||
		(fd >= 0 && !msg_file_is(fd, MSG_FILE_SOCKET))) {
		base_close(&fd);
		return;
	}
	m.socket = fd;
	peers_introduced(&m);
}

static void take_ticket_keys(struct str body)
{
	struct msg_ticket_keys m;

	if (!self.service->ticket_keys || !msg_ticket_keys_parse(body, &m))
		return;
	self.service->ticket_keys(m.keys);
	self.has_keys = true;
	io_event_wake_all(&self.news);
}

static void take_packet(struct str packet, const int *fds, size_t fd_count)
{
	struct frame frame;

	for (size_t i = 1; i < fd_count; i++)
		close(fds[i]);
	if (!frame_take(&packet, &frame) || packet.len > 0)
		log_warning("malformed packet from master");
	else if (frame.kind == MSG_introduced) {
		introduced(frame.body, fd_count ? fds[0] : -1);
		return;
	} else if (frame.kind == MSG_retire)
		service_retire();
	else if (frame.kind == MSG_wakeup)
		start_wakeup(frame.body);
	else if (frame.kind == MSG_ticket_keys)
		take_ticket_keys(frame.body);
	if (fd_count)
		close(fds[0]);
}

static void read_channel(void *context)
{
	char packet[CHANNEL_MOST];
	int fds[PACKET_FDS_MOST];
	size_t len, fd_count;

	(void)context;
	while (io_packet_recv(BIRTH_CHANNEL, packet, sizeof(packet), &len, fds,
		COUNT(fds), &fd_count, SPAN_FOREVER))
		take_packet(str_of(packet, len), fds, fd_count);
	/* It lives, perhaps, and then it is to know that we do not hear it. */
	shutdown(BIRTH_CHANNEL, SHUT_RDWR);
	log_debug("master is gone");
	self.has_master = false;
	peers_master_gone();
	service_retire();
}

void channel_start(void)
{
	io_spawn("master", read_channel, NULL);
}

void channel_await_birth(void)
{
	struct moment until = moment_after(span_s(BIRTH_S));

	while (self.has_master && self.service->ticket_keys && !self.has_keys)
		if (!io_event_wait(&self.news, moment_left(until)))
			return;
}
