/*
 * tests/torture/sender - sends over SMTP to a suite that is being killed, and
 * keeps the ledger of what it was promised.
 *
 *	sender -p PORT -l LEDGER -x PREFIX [-s SESSIONS] [-r RATE]
 *		ADDRESS[+ADDRESS...]=PLACE[+PLACE...] ...
 *
 * Message N carries "X-Ledger: PREFIX.N" and goes to the destinations in turn.
 * Only after the 250 for its data was read does "PREFIX.N PLACE+PLACE TIME"
 * enter the ledger, with a flush. Whatever goes wrong, it connects again; no message
 * is tried twice. Ends when its standard input does. RATE: messages a second.
 */
#include "base/arena.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/helper.h"
#include "io/packet.h"
#include "io/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PER_CONNECTION = 20,
	LINE_OCTETS = 72,
	LARGE_LINES = 1300, /* over 64 KiB: a file of its own */
	LARGE_EVERY = 41,
	ANSWER_S = 60,
	DESTINATIONS_MOST = 32,
};

struct destination {
	struct str addresses, places;
};

static struct {
	int port, sessions, rate, ledger;
	const char *prefix;
	struct destination destinations[DESTINATIONS_MOST];
	unsigned destination_count;
	unsigned long next;
	int open;
	bool is_ending;
	char lines[LARGE_LINES * LINE_OCTETS];
} sender = { .port = 25, .sessions = 8, .rate = 200, .ledger = -1 };

static bool expect(struct stream *io, char class)
{
	struct str line;

	do
		if (!io_line(io, &line, span_s(ANSWER_S)))
			return false;
	while (line.len >= 4 && line.p[3] == '-');
	return line.len >= 3 && line.p[0] == class;
}

/* The promise, durable. */
static void enter(unsigned long number, struct str places)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%s.%lu %.*s %.3f\n",
		sender.prefix, number, STR_ARG(places),
		(double)wall_us() / 1e6);

	if (write(sender.ledger, line, (size_t)len) != len ||
		io_fdatasync(sender.ledger) < 0) {
		log_warning("ledger: %m");
		_exit(1);
	}
}

static bool send_envelope(struct stream *io, struct str addresses)
{
	int count = 0;

	io_text(io, "MAIL FROM:<bounces@example.org>\r\n");
	while (addresses.len > 0) {
		struct str one = addresses;
		const char *plus = memchr(one.p, '+', one.len);

		if (plus)
			one.len = (size_t)(plus - one.p);
		addresses = str_skip(addresses, one.len + (plus ? 1 : 0));
		io_fmt(io, "RCPT TO:<%.*s>\r\n", STR_ARG(one));
		count++;
	}
	io_text(io, "DATA\r\n");
	for (int i = 0; i <= count; i++)
		if (!expect(io, '2'))
			return false;
	return expect(io, '3');
}

static bool send_message(struct stream *io)
{
	unsigned long number = sender.next++;
	const struct destination *to =
		&sender.destinations[number % sender.destination_count];
	size_t lines = number % LARGE_EVERY == LARGE_EVERY - 1 ?
		LARGE_LINES : number % 50;

	if (!send_envelope(io, to->addresses))
		return false;
	io_fmt(io, "From: sender@example.net\r\nTo: x@example.org\r\n"
		   "X-Ledger: %s.%lu\r\nSubject: storm\r\n\r\n",
		sender.prefix, number);
	io_write(io, str_of(sender.lines, lines * LINE_OCTETS));
	io_text(io, ".\r\n");
	if (!expect(io, '2'))
		return false;
	enter(number, to->places);
	return true;
}

static struct stream *open_session(struct arena *arena)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)sender.port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int fd = socket(AF_INET,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stream *io;

	if (fd < 0)
		return NULL;
	io = stream_open(arena, fd);
	if (!io_connect(fd, (const struct sockaddr *)&address,
		    sizeof(address), span_s(ANSWER_S)) ||
		!expect(io, '2'))
		return NULL;
	io_text(io, "EHLO client.example.net\r\n");
	return expect(io, '2') ? io : NULL;
}

static void pause_ms(int ms)
{
	if (!io_sleep(span_ms(ms)))
		sender.is_ending = true;
}

static void run_connection(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stream *io = open_session(arena);
	int pause = 1000 * sender.sessions / sender.rate;

	if (!io) {
		pause_ms(20);
		return;
	}
	for (int i = 0; i < PER_CONNECTION && !sender.is_ending; i++) {
		if (!send_message(io)) {
			pause_ms(20);
			return;
		}
		pause_ms(pause);
	}
	io_text(io, "QUIT\r\n");
	(void)!expect(io, '2');
}

static void session(void *context)
{
	(void)context;
	while (!sender.is_ending)
		run_connection();
	if (--sender.open == 0)
		io_stop();
}

static void wait_for_end(void *context)
{
	char octet;

	(void)context;
	do
		(void)!io_wait(STDIN_FILENO, POLLIN, SPAN_FOREVER);
	while (read(STDIN_FILENO, &octet, 1) > 0);
	sender.is_ending = true;
}

static void first(void *context)
{
	(void)context;
	io_helpers_start(4);
	sender.open = sender.sessions;
	for (int i = 0; i < sender.sessions; i++)
		io_spawn("session", session, NULL);
	io_spawn("end", wait_for_end, NULL);
}

static void make_lines(void)
{
	for (size_t i = 0; i < sizeof(sender.lines); i += LINE_OCTETS) {
		memset(sender.lines + i, 'a' + (int)(i / LINE_OCTETS % 26),
			LINE_OCTETS - 2);
		memcpy(sender.lines + i + LINE_OCTETS - 2, "\r\n", 2);
	}
}

static void read_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "p:l:x:s:r:")) >= 0) {
		switch (letter) {
		case 'p': sender.port = atoi(optarg); break;
		case 's': sender.sessions = atoi(optarg); break;
		case 'r': sender.rate = atoi(optarg); break;
		case 'x': sender.prefix = optarg; break;
		case 'l':
			sender.ledger = open(optarg,
				O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				0600);
			break;
		default: exit(64);
		}
	}
	for (; optind < argc; optind++) {
		struct str places = str_from(argv[optind]);
		struct str addresses = places;
		const char *equals = memchr(places.p, '=', places.len);

		if (!equals || sender.destination_count == DESTINATIONS_MOST)
			exit(64);
		addresses.len = (size_t)(equals - places.p);
		places = str_skip(places, addresses.len + 1);
		sender.destinations[sender.destination_count++] =
			(struct destination){ addresses, places };
	}
	if (sender.ledger < 0 || !sender.prefix || !sender.destination_count ||
		sender.sessions < 1 || sender.rate < 1)
		exit(64);
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	make_lines();
	io_run(first, NULL);
	return 0;
}
