#include "service/stand.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "service/inside.h"

enum {
	CEILING = 16 * 1024 * 1024, /* as of a client in lib/service */
	SILENT_ROUNDS = 12, /* of the scheduler; each hop takes one */
	HANG_S = 20,
	HANDSHAKE_MS = 30,
	PIECE = 2048, /* sent before what came is taken */
};

static struct {
	struct io_event round; /* of the scheduler */
	unsigned long rounds;
	bool is_hooked;
} quiet;

/* ---- the process ---- */

static void drop_line(enum log_level level, struct str line)
{
	if (level == LOG_LEVEL_PANIC || level == LOG_LEVEL_FATAL ||
		getenv("STAND_LOG"))
		fprintf(stderr, "%.*s\n", STR_ARG(line));
}

void stand_open(const struct service *service, const struct conf *conf)
{
	self = (struct self){ .service = service, .arena = arena_new(0),
		.name = service->name, .type = "inet", .conf = conf };
	self.load = mem_new(1, LOAD_OCTETS);
	self.most = 1000;
	io_gate_init(&self.gate, self.most);
	io_event_init(&self.news);
	io_gate_init(&self.channel_gate, 1);
	clients_prepare();
	log_sink(drop_line);
	if (service->prepare)
		service->prepare(conf);
}

void stand_peer(const char *name,
	void (*serve)(struct call *call, void *context), void *context)
{
	struct msg_introduced m = { .caller = true, .service = str_from(name),
		.processes = 1 };
	int pair[2];

	if (!packet_pair(pair))
		panic("socketpair: %m");
	peer_open(pair[1], str_from(name), serve, context);
	m.socket = pair[0];
	peers_introduced(&m);
}

/* ---- silence ---- */

static void next_round(void *context)
{
	(void)context;
	quiet.rounds++;
	io_event_wake_all(&quiet.round);
}

void stand_quiet(void)
{
	if (!quiet.is_hooked) {
		io_event_init(&quiet.round);
		io_before_wait(next_round, NULL);
		quiet.is_hooked = true;
	}
	for (int i = 0; i < SILENT_ROUNDS; i++)
		if (!io_event_wait(&quiet.round, SPAN_FOREVER))
			return;
}

/* ---- a session ---- */

static void set_address(struct sockaddr_storage *to, socklen_t *len,
	const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)to;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, text, &in->sin_addr);
	*len = sizeof(*in);
}

static void run_session(void *context)
{
	struct stand *stand = context;
	struct arena *arena = stand->client.arena;

	stand->run(&stand->client, stand->context);
	arena_free(arena);
	stand->is_over = true;
	io_event_wake_all(&stand->over);
}

void stand_begin(struct stand *stand,
	void (*run)(struct client *client, void *context), void *context)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		    pair) < 0)
		panic("socketpair: %m");
	io_fresh(pair[0]);
	io_fresh(pair[1]);
	*stand = (struct stand){ .fd = pair[0], .run = run,
		.context = context };
	io_event_init(&stand->over);
	stand->client.arena = arena_new(CEILING);
	set_address(&stand->client.address, &stand->client.address_len,
		"192.0.2.1", 1025);
	set_address(&stand->client.server_address,
		&stand->client.server_address_len, "192.0.2.25", 25);
	stand->client.io = stream_open(stand->client.arena, pair[1]);
	io_spawn("session", run_session, stand);
}

bool stand_end(struct stand *stand)
{
	if (stand->fd >= 0)
		io_close(stand->fd);
	stand->fd = -1;
	while (!stand->is_over)
		if (!io_event_wait(&stand->over, span_s(HANG_S)))
			return false;
	return true;
}

/* ---- scripts ---- */

struct player {
	struct arena *arena;
	struct stream *io;
	struct tls_session tls;
	struct buf *plain, *inside;
	bool is_server, is_gone;
};

static void take_input(struct player *p)
{
	struct buf *seen = p->tls.layer ? p->inside : p->plain;
	struct str octets;

	while (!p->is_gone && io_has_input(p->io) &&
		io_peek(p->io, &octets, span_s(0))) {
		if (seen)
			buf_add(seen, octets);
		stream_consume(p->io, octets.len);
	}
}

static void play_octets(struct player *p, struct str octets)
{
	while (octets.len > 0 && !p->is_gone) {
		struct str piece = str_first(octets, PIECE);

		octets = str_skip(octets, piece.len);
		if (!io_write(p->io, piece) || !io_flush(p->io, span_s(HANG_S)))
			p->is_gone = true;
		take_input(p);
	}
}

static void play_plain(struct player *p, struct str octets)
{
	if (send(stream_fd(p->io), octets.p, octets.len, MSG_NOSIGNAL) < 0)
		p->is_gone = true;
}

static void play_handshake(struct player *p)
{
	struct tls_client any = { .servername = STR_NONE,
		.resume = STR_NONE };
	struct span most = span_ms(HANDSHAKE_MS);

	if (p->tls.layer || !(p->is_server ?
		tls_accept(p->arena, p->io, stand_tls(true), most, &p->tls) :
		tls_connect(p->arena, p->io, stand_tls(false), &any, most,
			&p->tls)))
		p->is_gone = true;
}

/* True: it was one; false: an octet to send. */
static bool play_event(struct player *p, char event)
{
	switch (event) {
	case 'w':
		stand_quiet();
		take_input(p);
		return true;
	case 'e':
		shutdown(stream_fd(p->io), SHUT_WR);
		return true;
	case 'c':
		p->is_gone = true;
		return true;
	case 't':
		/* What a server finds now is the ClientHello. */
		if (!p->is_server) {
			stand_quiet();
			take_input(p);
		}
		if (!p->is_gone)
			play_handshake(p);
		return true;
	case 's':
		if (p->tls.layer && !io_shutdown(p->io, span_s(1)))
			p->is_gone = true;
		return true;
	default:
		return false;
	}
}

static void play(struct player *p, struct str script)
{
	while (script.len > 0 && !p->is_gone) {
		char event;

		play_octets(p, str_take_until(&script, STAND_ESCAPE));
		if (script.len == 0 || p->is_gone)
			continue;
		event = script.p[0];
		if (event == 'p') {
			script = str_skip(script, 1);
			play_plain(p, str_take_until(&script, STAND_ESCAPE));
		} else if (play_event(p, event)) {
			script = str_skip(script, 1);
		}
	}
	stand_quiet();
	take_input(p);
}

/* ---- events at every offset ---- */

static const struct {
	struct str octets;
	size_t stride; /* a handshake that nobody answers takes its time */
} events[] = {
	{ { "\1e", 2 }, 1 },
	{ { "\1c", 2 }, 1 },
	{ { "\1p\0\r\n\377x\1w", 8 }, 1 },
	{ { "\1s", 2 }, 1 },
	{ { "\1t", 2 }, 7 },
};

void stand_disturb(int (*one)(const uint8_t *octets, size_t len),
	struct str script, size_t head)
{
	for (size_t i = 0; i < COUNT(events); i++)
		for (size_t at = head; at <= script.len;
			at += events[i].stride) {
			auto_buf struct buf out = { 0 };

			if (at > 0 && script.p[at - 1] == STAND_ESCAPE)
				continue;
			buf_add(&out, str_first(script, at));
			buf_add(&out, events[i].octets);
			buf_add(&out, str_skip(script, at));
			one((const uint8_t *)out.p, out.len);
		}
}

void stand_play(int fd, struct str script, bool is_server, struct buf *plain,
	struct buf *inside)
{
	auto_arena struct arena *arena = arena_new(0);
	struct player player = { .arena = arena, .plain = plain,
		.inside = inside, .is_server = is_server };
	int own = dup(fd); /* the stream closes it */

	if (own < 0)
		panic("dup: %m");
	io_fresh(own);
	player.io = stream_open(arena, own);
	play(&player, script);
}

void stand_session(void (*run)(struct client *client, void *context),
	void *context, struct str script)
{
	struct stand stand;

	stand_begin(&stand, run, context);
	stand_play(stand.fd, script, false, NULL, NULL);
	if (!stand_end(&stand))
		panic("the session does not end with its client");
}
