/*
 * Handing a connection over, by way of auth: the socket itself, or, with TLS,
 * one end of a socketpair, whose other end is copied to and from the client
 * until one of them ends.
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/fiber.h"

enum {
	ANSWER_S = 60, /* auth waits for the parent, and it for a process */
	RELAY_WRITE_S = 300,
	LOOK_S = 1, /* for the end of what is said to have ended */
	END_S = 30, /* for the other direction, when one has ended */
};

/*
 * Two fibers, one for each direction. The user's process has a stream for
 * each; the client's is shared, as TLS is: its reader sends nothing while the
 * writer does, and the other way round (gate).
 */
struct relay {
	struct stream *client;
	struct stream *from_user, *to_user;
	struct io_gate gate;
	struct io_event ended;
	struct fiber *reader;  /* client -> user; the session's fiber */
	struct fiber *writer;  /* user -> client; NULL: has ended */
	bool reader_ended;
};

static bool relay_write(struct stream *to, struct str octets)
{
	return io_write(to, octets) && io_flush(to, span_s(RELAY_WRITE_S));
}

/* user -> client */
static void write_client(void *context)
{
	struct relay *relay = context;
	struct str octets;
	bool ok = true;

	while (ok && io_peek(relay->from_user, &octets, SPAN_FOREVER)) {
		ok = io_gate_enter(&relay->gate, SPAN_FOREVER);
		if (!ok)
			break;
		ok = relay_write(relay->client, octets);
		io_gate_leave(&relay->gate);
		stream_consume(relay->from_user, octets.len);
	}
	if (ok && io_gate_enter(&relay->gate, SPAN_FOREVER)) {
		if (!io_shutdown(relay->client, span_s(END_S)))
			log_debug("end of TLS: %m");
		io_gate_leave(&relay->gate);
	}
	relay->writer = NULL;
	if (!relay->reader_ended)
		io_cancel(relay->reader);
	io_event_wake_all(&relay->ended);
}

/*
 * What can be read at once. False: nothing, with errno EAGAIN, or nothing any
 * more. `was_ready`: the socket is said to be readable; when no octet is there
 * all the same, it is at its end.
 */
static bool read_now(struct relay *relay, bool was_ready, struct str *octets)
{
	uint64_t before = stream_octets_in(relay->client);
	bool got;
	int error = EAGAIN;

	if (!io_gate_enter(&relay->gate, SPAN_FOREVER))
		return false;
	got = io_has_input(relay->client);
	if (got || (was_ready && stream_octets_in(relay->client) == before)) {
		got = io_peek(relay->client, octets, span_s(LOOK_S));
		error = errno == ETIMEDOUT ? EAGAIN : errno;
	}
	io_gate_leave(&relay->gate);
	errno = error;
	return got;
}

static bool read_client(struct relay *relay, struct str *octets)
{
	bool was_ready = false;

	while (!read_now(relay, was_ready, octets)) {
		if (errno != EAGAIN || io_failure(relay->client))
			return false;
		if (!io_wait(stream_fd(relay->client), POLLIN, SPAN_FOREVER))
			return false;
		was_ready = true;
	}
	return true;
}

static void run_relay(struct relay *relay)
{
	struct str octets;

	relay->writer = io_spawn("relay", write_client, relay);
	while (relay->writer && read_client(relay, &octets)) {
		if (!relay_write(relay->to_user, octets))
			break;
		stream_consume(relay->client, octets.len);
	}
	io_uncancel();
	relay->reader_ended = true;
	/* The user's process sees the end, answers, and ends. */
	if (relay->writer && !io_shutdown(relay->to_user, span_s(END_S)))
		log_debug("end of a connection: %m");
	if (relay->writer && !io_event_wait(&relay->ended, span_s(END_S)))
		io_uncancel();
	if (relay->writer)
		io_cancel(relay->writer);
	while (relay->writer)
		if (!io_event_wait(&relay->ended, SPAN_FOREVER))
			io_uncancel();
}

static bool relay_open(struct session *s, struct relay *relay, int fd)
{
	int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (again < 0) {
		close(fd);
		return false;
	}
	*relay = (struct relay){ .client = s->io, .reader = io_self() };
	relay->from_user = stream_open(s->arena, fd);
	relay->to_user = stream_open(s->arena, again);
	io_gate_init(&relay->gate, 1);
	io_event_init(&relay->ended);
	return true;
}

/* ---- to auth ---- */

/* What is to be handed over; with TLS `ours` is the other end of it. */
static bool passage_open(struct session *s)
{
	int pair[2];

	if (!s->has_tls) {
		s->passage = (struct passage){ stream_fd(s->io), -1 };
		return true;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		    pair) < 0) {
		log_warning("socketpair: %m");
		return false;
	}
	s->passage = (struct passage){ pair[1], pair[0] };
	return true;
}

static void close_theirs(struct session *s)
{
	/* Without TLS it is the stream's own. */
	if (s->passage.theirs >= 0 && s->has_tls)
		close(s->passage.theirs);
	s->passage.theirs = -1;
}

void passage_close(struct session *s)
{
	auto_close int ours = fd_keep(&s->passage.ours);

	(void)ours;
	close_theirs(s);
}

bool pass_offer(struct session *s, struct call *call)
{
	struct msg_handover m = { .tag = s->tag, .client_address = s->rip,
		.tls = s->has_tls, .utf8 = s->pop3.is_utf8,
		.language = STR("") };

	/* Who writes next is the user's process. */
	if (!io_flush(s->io, span_s(WRITE_S)) || !passage_open(s))
		return false;
	/* What the client says from now on need not wake us. */
	if (!s->has_tls)
		io_forget(stream_fd(s->io));
	if (s->pop3.has_language)
		m.language = str_from(pop3_language_tag(s->pop3.language));
	/* Kept here until the other side has it: it may say no. */
	m.input = stream_buffered(s->io);
	m.socket = s->passage.theirs;
	s->is_offered = msg_handover_send(call, &m);
	close_theirs(s);
	return s->is_offered;
}

enum outcome pass_wait(struct session *s, struct call *call)
{
	struct msg_handed_over done;

	if (!msg_handed_over_recv(call, &done, span_s(ANSWER_S))) {
		log_warning("auth does not answer: %m");
		return OUTCOME_LOST;
	}
	if (done.status) {
		log_warning("%s does not take user %.*s: %s",
			s->protocol->parent, STR_ARG(s->user),
			strerror((int)done.status));
		return OUTCOME_UNAVAILABLE;
	}
	s->is_passed = true;
	report_login(s);
	return OUTCOME_DONE;
}

void pass_relay(struct session *s)
{
	struct relay relay;

	if (s->passage.ours < 0)
		return;
	stream_consume(s->io, stream_buffered(s->io).len);
	stream_deadline(s->io, MOMENT_NEVER);
	if (relay_open(s, &relay, fd_keep(&s->passage.ours)))
		run_relay(&relay);
}
