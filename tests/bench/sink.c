/*
 * tests/bench/sink - accepts and counts mail over SMTP, from one process.
 *
 *	sink [-a ADDRESS] [-w MS] [-c CERTIFICATE -k KEY] [-f FILE] PORT
 *
 * -w: each reply to a command or to data comes that much later. -c, -k: offers
 * STARTTLS. The counts are numbers of 64 bits in FILE, which is shared memory:
 * messages, recipients, connections so far, connections now, most at once, TLS
 * handshakes, resumed ones. It goes on until it is killed.
 */
#include "base/arena.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "io/stream.h"
#include "tls/tls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct counts {
	uint64_t messages, recipients, connections, open, most;
	uint64_t handshakes, resumed;
};

static struct {
	const char *address, *cert_file, *key_file, *path;
	int port, listener;
	struct span delay;
	struct tls_context *tls;
	struct counts *counts;
} sink = { .address = "127.0.0.1" };

struct session {
	struct arena *arena;
	struct stream *io;
	uint64_t recipients;
	bool is_tls;
};

/* Content up to CRLF.CRLF; the tail of what was seen is kept. */
static bool read_data(struct stream *io)
{
	static const char end[] = "\r\n.\r\n";
	size_t matched = 2; /* the line end before the first line */
	struct str octets;

	for (;;) {
		if (!io_peek(io, &octets, span_s(300)))
			return false;
		for (size_t i = 0; i < octets.len; i++) {
			char c = octets.p[i];

			if (c == end[matched])
				matched++;
			else
				matched = c == '\r' ? 1 : 0;
			if (matched == 5) {
				stream_consume(io, i + 1);
				return true;
			}
		}
		stream_consume(io, octets.len);
	}
}

static bool ehlo(struct session *s)
{
	io_text(s->io, "250-sink.example.net\r\n250-PIPELINING\r\n"
		       "250-8BITMIME\r\n250-SIZE\r\n");
	if (sink.tls && !s->is_tls)
		io_text(s->io, "250-STARTTLS\r\n");
	return io_text(s->io, "250 ENHANCEDSTATUSCODES\r\n");
}

static bool starttls(struct session *s)
{
	struct tls_session tls = { 0 };

	io_text(s->io, "220 2.0.0 go ahead\r\n");
	if (!io_flush(s->io, span_s(60)) ||
		!tls_accept(s->arena, s->io, sink.tls, span_s(60), &tls))
		return false;
	s->is_tls = true;
	sink.counts->handshakes++;
	sink.counts->resumed += tls.is_resumed;
	return true;
}

static bool data(struct session *s)
{
	io_text(s->io, "354 go on\r\n");
	if (!read_data(s->io))
		return false;
	if (sink.delay.us)
		io_sleep(sink.delay);
	sink.counts->messages++;
	sink.counts->recipients += s->recipients;
	s->recipients = 0;
	return io_text(s->io, "250 2.0.0 Ok\r\n");
}

static bool answer(struct session *s, struct str line)
{
	struct str verb = str_first(line, 4);

	/* What is pipelined has one delay. */
	if (sink.delay.us && !io_has_input(s->io))
		io_sleep(sink.delay);
	if (str_is_nocase(verb, "EHLO"))
		return ehlo(s);
	if (str_is_nocase(verb, "STAR") && sink.tls)
		return starttls(s);
	if (str_is_nocase(verb, "DATA"))
		return data(s);
	if (str_is_nocase(verb, "QUIT")) {
		io_text(s->io, "221 2.0.0 Bye\r\n");
		io_flush(s->io, span_s(60));
		return false;
	}
	s->recipients += str_is_nocase(verb, "RCPT");
	return io_text(s->io, "250 2.0.0 Ok\r\n");
}

static void serve(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct session s = {
		.arena = arena,
		.io = stream_open(arena, (int)(intptr_t)context),
	};
	struct str line;

	sink.counts->connections++;
	if (++sink.counts->open > sink.counts->most)
		sink.counts->most = sink.counts->open;
	if (sink.delay.us)
		io_sleep(sink.delay);
	io_text(s.io, "220 sink.example.net ESMTP\r\n");
	while (io_line(s.io, &line, span_s(300)) && answer(&s, line))
		;
	sink.counts->open--;
}

static void listen_forever(void *context)
{
	int one = 1;
	int fd;

	(void)context;
	while ((fd = io_accept(sink.listener, NULL, SPAN_FOREVER)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		io_spawn("client", serve, (void *)(intptr_t)fd);
	}
}

static void map_counts(void)
{
	int fd = sink.path ? open(sink.path, O_RDWR | O_CREAT, 0644) : -1;
	void *octets;

	if (fd >= 0 && ftruncate(fd, sizeof(struct counts)) < 0)
		log_fatal("%s: %m", sink.path);
	octets = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (octets == MAP_FAILED)
		log_fatal("%s: %m", sink.path);
	sink.counts = octets;
}

static void load_keys(void)
{
	struct tls_chain chain = {
		.cert_file = sink.cert_file, .key_file = sink.key_file,
	};
	struct tls_options options = {
		.is_server = true, .chains = &chain, .chain_count = 1,
	};
	struct str error;

	sink.tls = tls_context_new(arena_new(0), &options, &error);
	if (!sink.tls)
		log_fatal("%.*s", STR_ARG(error));
}

static void start_listening(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)sink.port),
	};
	int one = 1;

	inet_pton(AF_INET, sink.address, &address.sin_addr);
	sink.listener = socket(AF_INET,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(sink.listener, SOL_SOCKET, SO_REUSEADDR, &one,
		sizeof(one));
	if (bind(sink.listener, (const struct sockaddr *)&address,
		    sizeof(address)) < 0 ||
		listen(sink.listener, 4096) < 0)
		log_fatal("listen on port %d: %m", sink.port);
}

static void read_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "a:w:c:k:f:")) >= 0) {
		switch (letter) {
		case 'a': sink.address = optarg; break;
		case 'w': sink.delay = span_ms(atoi(optarg)); break;
		case 'c': sink.cert_file = optarg; break;
		case 'k': sink.key_file = optarg; break;
		case 'f': sink.path = optarg; break;
		default: exit(64);
		}
	}
	if (optind != argc - 1)
		log_fatal("usage: sink [options] PORT");
	sink.port = atoi(argv[optind]);
}

int main(int argc, char **argv)
{
	struct rlimit files;

	read_options(argc, argv);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	map_counts();
	if (sink.cert_file)
		load_keys();
	start_listening();
	io_run(listen_forever, NULL);
	return 0;
}
