/*
 * tests/torture/sender - sends over SMTP to a suite that is being killed, and
 * keeps the ledger of what it was promised.
 *
 *	sender -p PORT -l LEDGER -x PREFIX [-s SESSIONS] [-r RATE] [-g EVERY]
 *		ADDRESS[+ADDRESS...]=PLACE[+PLACE...] ...
 *
 * Message N carries "X-Ledger: PREFIX.N" and goes to the destinations in turn.
 * Only after the 250 for its data was read does "PREFIX.N PLACE+PLACE TIME"
 * enter the ledger, durably: sessions that wait at a time share a flush. Whatever
 * goes wrong, it connects again; no message is tried twice. Standard input: "p"
 * makes a pause, "g" ends it; at its end all ends. RATE: messages a second.
 * EVERY: of how many one is over 64 KiB.
 */
#include "base/arena.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/helper.h"
#include "io/packet.h"
#include "io/stream.h"
#include "queue/flush.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LINE_OCTETS = 72,
	LARGE_LINES = 1300, /* over 64 KiB: a file of its own */
	MEDIUM_EVERY = 10,
	MEDIUM_LINES = 50,
	SMALL_LINES = 9,
	ANSWER_S = 60,
	DESTINATIONS_MOST = 32,
};

struct destination {
	struct str addresses, places;
};

static struct {
	int port, sessions, rate;
	unsigned long large_every;
	struct flush ledger;
	const char *prefix;
	struct destination destinations[DESTINATIONS_MOST];
	unsigned destination_count;
	unsigned long next, connections;
	int open;
	bool is_ending, is_pausing;
	char lines[LARGE_LINES * LINE_OCTETS];
} sender = { .port = 25, .sessions = 8, .rate = 200, .large_every = 41,
	.ledger = { .fd = -1 } };

/* Of connections, in turn: as many messages go over each. */
static const int lengths[] = { 1, 5, 20, 100 };

/* A reply whose code begins like this. */
static bool expect(struct stream *io, const char *code)
{
	struct str line;

	do
		if (!io_line(io, &line, span_s(ANSWER_S)))
			return false;
	while (line.len >= 4 && line.p[3] == '-');
	return str_starts(line, str_from(code));
}

/* The promise, durable. */
static void enter(unsigned long number, struct str places)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%s.%lu %.*s %.3f\n",
		sender.prefix, number, STR_ARG(places),
		(double)wall_us() / 1e6);

	if (write(sender.ledger.fd, line, (size_t)len) != len ||
		!flush_wait(&sender.ledger)) {
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
		if (!expect(io, "2"))
			return false;
	return expect(io, "354");
}

static size_t lines_of(unsigned long number)
{
	if (number % sender.large_every == sender.large_every - 1)
		return LARGE_LINES;
	if (number % MEDIUM_EVERY == 0)
		return number / MEDIUM_EVERY % MEDIUM_LINES;
	return number % SMALL_LINES;
}

static bool send_message(struct stream *io)
{
	unsigned long number = sender.next++;
	const struct destination *to =
		&sender.destinations[number % sender.destination_count];
	size_t lines = lines_of(number);

	if (!send_envelope(io, to->addresses))
		return false;
	io_fmt(io, "From: sender@example.net\r\nTo: x@example.org\r\n"
		   "X-Ledger: %s.%lu\r\nSubject: storm\r\n\r\n",
		sender.prefix, number);
	io_write(io, str_of(sender.lines, lines * LINE_OCTETS));
	io_text(io, ".\r\n");
	if (!expect(io, "250")) /* 221 is a goodbye */
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
		!expect(io, "2"))
		return NULL;
	io_text(io, "EHLO client.example.net\r\n");
	return expect(io, "2") ? io : NULL;
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
	int length = lengths[sender.connections++ % COUNT(lengths)];

	if (!io) {
		pause_ms(20);
		return;
	}
	for (int i = 0; i < length && !sender.is_ending; i++) {
		while (sender.is_pausing && !sender.is_ending)
			pause_ms(20);
		if (!send_message(io)) {
			pause_ms(20);
			return;
		}
		pause_ms(pause);
	}
	io_text(io, "QUIT\r\n");
	(void)!expect(io, "2");
}

static void session(void *context)
{
	(void)context;
	while (!sender.is_ending)
		run_connection();
	if (--sender.open == 0)
		io_stop();
}

static void obey(void *context)
{
	char octet;

	(void)context;
	for (;;) {
		(void)!io_wait(STDIN_FILENO, POLLIN, SPAN_FOREVER);
		if (read(STDIN_FILENO, &octet, 1) <= 0)
			break;
		sender.is_pausing = octet == 'p';
	}
	sender.is_ending = true;
}

static void first(void *context)
{
	(void)context;
	io_helpers_start(4);
	sender.open = sender.sessions;
	for (int i = 0; i < sender.sessions; i++)
		io_spawn("session", session, NULL);
	io_spawn("obey", obey, NULL);
}

static void make_lines(void)
{
	for (size_t i = 0; i < sizeof(sender.lines); i += LINE_OCTETS) {
		memset(sender.lines + i, 'a' + (int)(i / LINE_OCTETS % 26),
			LINE_OCTETS - 2);
		memcpy(sender.lines + i + LINE_OCTETS - 2, "\r\n", 2);
	}
}

static int sync_ledger(struct disk *disk, int fd)
{
	(void)disk;
	return io_fdatasync(fd);
}

static void open_ledger(const char *path)
{
	static struct disk disk = { .sync = sync_ledger };

	flush_init(&sender.ledger, &disk,
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

static void read_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "p:l:x:s:r:g:")) >= 0) {
		switch (letter) {
		case 'p': sender.port = atoi(optarg); break;
		case 's': sender.sessions = atoi(optarg); break;
		case 'r': sender.rate = atoi(optarg); break;
		case 'x': sender.prefix = optarg; break;
		case 'g': sender.large_every = (unsigned long)atol(optarg); break;
		case 'l': open_ledger(optarg); break;
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
	if (sender.ledger.fd < 0 || sender.large_every < 1 || !sender.prefix || !sender.destination_count ||
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
