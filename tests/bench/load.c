/*
 * tests/bench/load - sends messages over SMTP as fast as it is let, from one
 * process, and says how fast that was.
 *
 *	load [-p PORT] [-a ADDRESS] [-s SESSIONS] [-m MESSAGES] [-l OCTETS]
 *	     [-r RECIPIENTS] [-n MESSAGES-PER-CONNECTION] [-d DOMAIN]
 *	     [-D DOMAINS] [-u USERS] [-t] [-T] [-k RESPONSE] [-c] [-i]
 *
 * Each message goes to RECIPIENTS addresses userN@DOMAIN, N counting through
 * 0 .. USERS-1; with -D to userN@dM.DOMAIN, M counting through 0 .. DOMAINS-1.
 * -t: STARTTLS, each time anew; -T: resuming the session before. -k: AUTH
 * PLAIN with this response (base64). -c: no message at all, only connections.
 * -i opens SESSIONS connections, at most 500 of them under way, waits for a
 * line on standard input, and leaves: idle connections. Prints messages,
 * failures, seconds, messages a second, the 50th and 99th percentile of the
 * time from MAIL to the reply to the data (-c: of a connection), in ms, resumed
 * TLS sessions, and this program's own CPU, in ms of each message.
 */
#include "base/arena.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "io/stream.h"
#include "tls/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEEP_EACH = 20 }; /* connections: a fresh ticket */

static struct {
	int port, sessions, messages, octets, recipients, per_connection, users;
	int domains;
	const char *address, *domain, *login;
	bool idle, tls, resume, only_connect;
	struct tls_context *context;
	struct str ticket; /* in ticket_octets */
	char ticket_octets[16 * 1024];
	/* progress */
	int started, sent, failed, open;
	int64_t *latencies;
	struct str body;
	int next_user, resumed;
	struct io_event leave;
	struct io_gate opening;
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

static void send_recipient(struct stream *io, int number)
{
	io_fmt(io, "RCPT TO:<user%d@", number % load.users);
	if (load.domains)
		io_fmt(io, "d%d.", number % load.domains);
	io_fmt(io, "%s>\r\n", load.domain);
}

static bool send_message(struct stream *io)
{
	struct moment begin = moment_now();

	io_fmt(io, "MAIL FROM:<sender@example.net>\r\n");
	for (int i = 0; i < load.recipients; i++)
		send_recipient(io, load.next_user++);
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

static bool hello(struct stream *io)
{
	io_text(io, "EHLO client.example.net\r\n");
	return expect(io, '2');
}

static bool start_tls(struct arena *arena, struct stream *io,
	struct tls_session *tls)
{
	struct tls_client want = { 0 };

	io_text(io, "STARTTLS\r\n");
	if (!expect(io, '2'))
		return false;
	want.resume = arena_copy(arena, load.ticket); /* others change it */
	if (!tls_connect(arena, io, load.context, &want, span_s(60), tls)) {
		log_warning("TLS: %.*s", STR_ARG(tls->failure));
		return false;
	}
	load.resumed += tls->is_resumed;
	return hello(io);
}

/* What the next connection resumes. */
static void keep_ticket(struct arena *arena, const struct tls_session *tls)
{
	struct str ticket = tls_resumption(arena, tls);

	if (ticket.len == 0 || ticket.len > sizeof(load.ticket_octets))
		return;
	memcpy(load.ticket_octets, ticket.p, ticket.len);
	load.ticket = str_of(load.ticket_octets, ticket.len);
}

static bool log_in(struct stream *io)
{
	io_fmt(io, "AUTH PLAIN %s\r\n", load.login);
	return expect(io, '2');
}

static struct stream *open_session(struct arena *arena,
	struct tls_session *tls)
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
	if (!expect(io, '2') || !hello(io) ||
		(load.tls && !start_tls(arena, io, tls)) ||
		(load.login && !log_in(io)))
		return NULL;
	return io;
}

static void count_connection(struct stream *io, struct moment begin)
{
	if (!io) {
		load.failed++;
		return;
	}
	load.latencies[load.sent++] = moment_between(begin, moment_now()).us;
}

static void run_connection(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct moment begin = moment_now();
	struct tls_session tls = { 0 };
	struct stream *io;
	int count = 0;

	if (load.only_connect)
		load.started++;
	io = open_session(arena, &tls);
	if (load.only_connect)
		count_connection(io, begin);
	while (!load.only_connect && count++ < load.per_connection &&
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
	/* Not each time: it is the server that is measured. */
	if (io && load.resume &&
		(load.ticket.len == 0 || load.started % KEEP_EACH == 0))
		keep_ticket(arena, &tls);
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
	struct tls_session tls = { 0 };
	struct stream *io = io_gate_enter(&load.opening, SPAN_FOREVER)
		? open_session(arena, &tls) : NULL;

	(void)context;
	io_gate_leave(&load.opening);
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
	io_gate_init(&load.opening, 500);
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

	while ((letter = getopt(argc, argv, "p:a:s:m:l:r:n:d:D:u:tTk:ci")) >= 0) {
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
		case 'D': load.domains = value; break;
		case 'u': load.users = value; break;
		case 'T': load.resume = true; /* fall through */
		case 't': load.tls = true; break;
		case 'k': load.login = optarg; break;
		case 'c': load.only_connect = true; break;
		case 'i': load.idle = true; break;
		default: exit(64);
		}
	}
}

static void prepare(void)
{
	struct rlimit files;
	struct str error;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	load.context = tls_context_new(arena_new(0), &(struct tls_options){ 0 },
		&error);
	if (!load.context)
		log_fatal("TLS: %.*s", STR_ARG(error));
}

static double own_cpu_ms(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

int main(int argc, char **argv)
{
	double cpu_ms;
	struct moment begin;
	double seconds;

	read_options(argc, argv);
	prepare();
	make_body();
	load.latencies = mem_new((size_t)load.messages, sizeof(int64_t));
	cpu_ms = own_cpu_ms();
	begin = moment_now();
	io_run(first, NULL);
	seconds = (double)moment_between(begin, moment_now()).us / 1e6;
	cpu_ms = own_cpu_ms() - cpu_ms;
	if (load.idle)
		return load.failed != 0;
	qsort(load.latencies, (size_t)load.sent, sizeof(int64_t), by_size);
	printf("sent %d failed %d seconds %.3f rate %.0f p50 %.2f p99 %.2f "
	       "resumed %d cpu %.3f\n",
		load.sent, load.failed, seconds, load.sent / seconds,
		percentile(50), percentile(99), load.resumed,
		load.sent ? cpu_ms / load.sent : 0);
	return load.failed != 0;
}
