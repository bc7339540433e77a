/*
 * Handing a connection over: the socket itself, or, with TLS, one end of a
 * socketpair, whose other end is copied to and from the client until one of
 * them ends.
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
	CONNECT_S = 10,
	ANSWER_S = 30,
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

/* ---- to the parent ---- */

static bool hand_over(struct session *s, struct str token, struct str input,
	int fd)
{
	const struct msg_handover m = {
		.token = token, .tag = s->tag, .input = input,
		.client_address = s->rip, .tls = s->has_tls,
		.utf8 = s->pop3.is_utf8, .language = s->pop3.has_language ?
			str_from(pop3_language_tag(s->pop3.language)) :
			STR(""),
		.socket = fd,
	};
	auto_arena struct arena *arena = arena_child(s->arena);
	struct call *call = service_call(arena, s->protocol->parent,
		span_s(CONNECT_S));
	struct msg_handed_over done = { .status = EPIPE };
	bool good = call && msg_handover_send(call, &m) &&
		msg_handed_over_recv(call, &done, span_s(ANSWER_S));

	if (!good)
		log_warning("%s does not answer: %m", s->protocol->parent);
	else if (done.status)
		log_warning("%s does not take user %.*s: %s",
			s->protocol->parent, STR_ARG(s->user),
			strerror((int)done.status));
	if (call)
		call_close(call);
	return good && done.status == 0;
}

static bool pass_plain(struct session *s, struct str token, struct str input)
{
	if (!hand_over(s, token, input, stream_fd(s->io)))
		return false;
	report_login(s);
	return true;
}

static bool pass_tls(struct session *s, struct str token, struct str input)
{
	struct relay relay;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		    pair) < 0) {
		log_warning("socketpair: %m");
		return false;
	}
	if (!hand_over(s, token, input, pair[1])) {
		close(pair[0]);
		close(pair[1]);
		return false;
	}
	close(pair[1]);
	report_login(s);
	stream_consume(s->io, input.len);
	stream_deadline(s->io, MOMENT_NEVER);
	if (relay_open(s, &relay, pair[0]))
		run_relay(&relay);
	return true;
}

bool pass_on(struct session *s, struct str token)
{
	struct str input = arena_copy(s->arena, stream_buffered(s->io));

	if (token.len == 0 || !io_flush(s->io, span_s(WRITE_S)))
		return false;
	/* Kept here until the other side has it: it may say no. */
	if (!(s->has_tls ? pass_tls : pass_plain)(s, token, input))
		return false;
	s->is_passed = true;
	s->is_gone = true;
	return true;
}
