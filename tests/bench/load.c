/*
 * tests/bench/load - sends messages over SMTP as fast as it is let, from one
 * process, and says how fast that was.
 *
 *	load [-p PORT] [-a ADDRESS] [-s SESSIONS] [-m MESSAGES] [-l OCTETS]
 *	     [-r RECIPIENTS] [-n MESSAGES-PER-CONNECTION] [-d DOMAIN]
 *	     [-u USERS] [-i]
 *
 * Each message goes to RECIPIENTS addresses userN@DOMAIN, N counting through
 * 0 .. USERS-1. -i opens SESSIONS connections, waits for a line on standard
 * input, and leaves: idle connections. Prints messages, failures, seconds,
 * messages a second, and the 50th and 99th percentile of the time from MAIL
 * to the reply to the data, in ms.
 */
#include "base/arena.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "io/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	int port, sessions, messages, octets, recipients, per_connection, users;
	const char *address, *domain;
	bool idle;
	/* progress */
	int started, sent, failed, open;
	int64_t *latencies;
	struct str body;
	int next_user;
	struct io_event leave;
} load = {
	.port = 25, .sessions = 10, .messages = 1000, .octets = 4096,
	.recipients = 1, .per_connection = 1, .users = 100,
	.address = "127.0.0.1", .domain = "example.org",
};

static bool expect(struct stream *io, char class)
{
	struct str line;

	do
		if (!io_line(io, &line, span_s(300)))
			return false;
	while (line.len >= 4 && line.p[3] == '-');
	if (line.len < 3 || line.p[0] != class) {
		if (load.failed < 3)
			log_warning("%.*s", STR_ARG(line));
		return false;
	}
	return true;
}

static bool send_message(struct stream *io)
{
	struct moment begin = moment_now();

	io_fmt(io, "MAIL FROM:<sender@example.net>\r\n");
	for (int i = 0; i < load.recipients; i++)
		io_fmt(io, "RCPT TO:<user%d@%s>\r\n",
			load.next_user++ % load.users, load.domain);
	io_text(io, "DATA\r\n");
	if (!expect(io, '2'))
		return false;
	for (int i = 0; i < load.recipients; i++)
		if (!expect(io, '2'))
			return false;
	if (!expect(io, '3'))
		return false;
	io_fmt(io, "From: sender@example.net\r\nTo: many@%s\r\n"
		   "Message-ID: <%d.%d@example.net>\r\nSubject: load\r\n\r\n",
		load.domain, getpid(), load.sent + load.failed);
	io_write(io, load.body);
	io_text(io, ".\r\n");
	if (!expect(io, '2'))
		return false;
	load.latencies[load.sent] =
		moment_between(begin, moment_now()).us;
	return true;
}

static struct stream *open_session(struct arena *arena)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)load.port),
	};
	int one = 1;
	int fd = socket(AF_INET,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stream *io;

	inet_pton(AF_INET, load.address, &address.sin_addr);
	if (fd < 0)
		return NULL;
	io = stream_open(arena, fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!io_connect(fd, (const struct sockaddr *)&address,
		    sizeof(address), span_s(60)))
		return NULL;
	if (!expect(io, '2'))
		return NULL;
	io_text(io, "EHLO client.example.net\r\n");
	return expect(io, '2') ? io : NULL;
}

static void run_connection(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stream *io = open_session(arena);
	int count = 0;

	while (count++ < load.per_connection &&
		load.started < load.messages) {
		load.started++;
		if (io && send_message(io)) {
			load.sent++;
		} else {
			load.failed++;
			return;
		}
	}
	if (io && io_text(io, "QUIT\r\n") && !expect(io, '2'))
		log_warning("QUIT was not answered");
}

static void session(void *context)
{
	(void)context;
	while (load.started < load.messages)
		run_connection();
	load.open--;
	if (load.open == 0)
		io_stop();
}

static void idle_session(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stream *io = open_session(arena);

	(void)context;
	if (io)
		load.sent++;
	else
		load.failed++;
	if (load.sent + load.failed == load.sessions) {
		printf("open %d failed %d\n", load.sent, load.failed);
		fflush(stdout);
	}
	while (!io_event_wait(&load.leave, SPAN_FOREVER))
		;
	if (--load.open == 0)
		io_stop();
}

static void wait_for_word(void *context)
{
	char octets[64];

	(void)context;
	if (io_wait(STDIN_FILENO, POLLIN, SPAN_FOREVER) &&
		read(STDIN_FILENO, octets, sizeof(octets)) >= 0)
		io_event_wake_all(&load.leave);
}

static void first(void *context)
{
	(void)context;
	load.open = load.sessions;
	io_event_init(&load.leave);
	for (int i = 0; i < load.sessions; i++)
		io_spawn("session", load.idle ? idle_session : session, NULL);
	if (load.idle)
		io_spawn("word", wait_for_word, NULL);
}

static void make_body(void)
{
	char *body = mem_new((size_t)load.octets + 128, 1);
	int len = 0;

	while (len < load.octets) {
		memset(body + len, 'a' + len % 26, 70);
		memcpy(body + len + 70, "\r\n", 2);
		len += 72;
	}
	load.body = str_of(body, (size_t)len);
}

static int by_size(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static double percentile(int percent)
{
	if (load.sent == 0)
		return 0;
	return (double)load.latencies[(int64_t)(load.sent - 1) * percent /
			100] / 1000.0;
}

static void read_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "p:a:s:m:l:r:n:d:u:i")) >= 0) {
		int value = optarg ? atoi(optarg) : 0;

		switch (letter) {
		case 'p': load.port = value; break;
		case 'a': load.address = optarg; break;
		case 's': load.sessions = value; break;
		case 'm': load.messages = value; break;
		case 'l': load.octets = value; break;
		case 'r': load.recipients = value; break;
		case 'n': load.per_connection = value; break;
		case 'd': load.domain = optarg; break;
		case 'u': load.users = value; break;
		case 'i': load.idle = true; break;
		default: exit(64);
		}
	}
}

int main(int argc, char **argv)
{
	struct moment begin;
	double seconds;

	read_options(argc, argv);
	make_body();
	load.latencies = mem_new((size_t)load.messages, sizeof(int64_t));
	begin = moment_now();
	io_run(first, NULL);
	seconds = (double)moment_between(begin, moment_now()).us / 1e6;
	if (load.idle)
		return load.failed != 0;
	qsort(load.latencies, (size_t)load.sent, sizeof(int64_t), by_size);
	printf("sent %d failed %d seconds %.3f rate %.0f p50 %.1f p99 %.1f\n",
		load.sent, load.failed, seconds, load.sent / seconds,
		percentile(50), percentile(99));
	return load.failed != 0;
}
