/*
 * tests/bench/sink - accepts and counts mail over SMTP, from one process.
 *
 *	sink PORT
 *
 * On SIGTERM prints "messages N recipients N connections N". The reply to NOOP
 * is the number of recipients whose message was accepted so far.
 */
#include "base/arena.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "io/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct {
	uint64_t messages, recipients, connections;
	int listener;
} sink;

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

static bool answer(struct stream *io, struct str line, uint64_t *recipients)
{
	struct str verb = str_first(line, 4);

	if (str_is_nocase(verb, "EHLO"))
		return io_text(io, "250-sink.example.net\r\n250-PIPELINING\r\n"
				   "250-8BITMIME\r\n250-SIZE\r\n"
				   "250 ENHANCEDSTATUSCODES\r\n");
	if (str_is_nocase(verb, "RCPT"))
		++*recipients;
	if (str_is_nocase(verb, "NOOP"))
		return io_fmt(io, "250 2.0.0 %llu\r\n",
			(unsigned long long)sink.recipients);
	if (str_is_nocase(verb, "QUIT")) {
		io_text(io, "221 2.0.0 Bye\r\n");
		io_flush(io, span_s(60));
		return false;
	}
	if (str_is_nocase(verb, "DATA")) {
		io_text(io, "354 go on\r\n");
		if (!read_data(io))
			return false;
		sink.messages++;
		sink.recipients += *recipients;
		*recipients = 0;
	}
	return io_text(io, "250 2.0.0 Ok\r\n");
}

static void serve(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stream *io = stream_open(arena, (int)(intptr_t)context);
	uint64_t recipients = 0;
	struct str line;

	io_text(io, "220 sink.example.net ESMTP\r\n");
	while (io_line(io, &line, span_s(300)) && answer(io, line, &recipients))
		;
}

static void listen_forever(void *context)
{
	int one = 1;
	int fd;

	(void)context;
	while ((fd = io_accept(sink.listener, NULL, SPAN_FOREVER)) >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		sink.connections++;
		io_spawn("client", serve, (void *)(intptr_t)fd);
	}
}

static void first(void *context)
{
	io_signal_watch(SIGTERM);
	io_spawn("listener", listen_forever, context);
	while (io_signal_wait(SPAN_FOREVER) != SIGTERM)
		;
	printf("messages %llu recipients %llu connections %llu\n",
		(unsigned long long)sink.messages,
		(unsigned long long)sink.recipients,
		(unsigned long long)sink.connections);
	fflush(stdout);
	io_stop();
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int one = 1;

	if (argc != 2)
		log_fatal("usage: sink PORT");
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sink.listener = socket(AF_INET,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(sink.listener, SOL_SOCKET, SO_REUSEADDR, &one,
		sizeof(one));
	if (bind(sink.listener, (const struct sockaddr *)&address,
		    sizeof(address)) < 0 ||
		listen(sink.listener, 1024) < 0)
		log_fatal("listen on port %s: %m", argv[1]);
	io_run(first, NULL);
	return 0;
}
