/*
 * tests/bench/talk - clients that say the same over and over, from one
 * process, and how often they got through.
 *
 *	talk [-p PORT] [-c CLIENTS] [-t SECONDS] [-n TIMES] [-u USERS] [-b BASE]
 *	     [-r MOST] [-i] SCRIPT
 *
 * A script is lines of text:
 *
 *	open        connect
 *	> text      send it, with CRLF
 *	@ FILE      send what is in the file, as it is
 *	< text      read lines up to one that begins so
 *	= text      read lines up to one that is so
 *	close       read to the end and close
 *	---         ends a block
 *
 * $u is BASE and the number of the client modulo USERS, $n a number that is never the
 * same, $r a random number from 1 to MOST. The first block is run once and not
 * counted if another follows; of the others each client runs a random one at
 * a time, until SECONDS are over or all together have run TIMES. -i: after the
 * first block wait for a line on standard input, then leave. Prints "done N
 * failed N seconds S p50 MS p99 MS".
 */
#include "base/arena.h"
#include "base/log.h"
#include "base/random.h"
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

enum {
	LINES_MOST = 8192,
	BLOCKS_MOST = 64,
	WAIT_S = 120,
	LATENCIES = 1 << 20,
	LANES = 16,
};

struct step {
	char what;
	struct str text; /* of @: the file */
};

static struct {
	int port, clients, seconds, times, users, base;
	unsigned most;
	bool idle;
	struct step steps[LINES_MOST];
	size_t count;
	size_t blocks[BLOCKS_MOST + 1]; /* where each begins, and the end */
	size_t block_count;
	struct moment end;
	int begun, done, failed, open, ready;
	unsigned serial;
	int64_t *latencies;
	struct io_event leave;
} talk = { .port = 143, .clients = 1, .seconds = 5, .times = 1 << 30,
	.users = 1, .most = 1 };

struct client {
	int number;
	struct arena *arena;
	struct stream *io;
};

static struct stream *connect_to(struct arena *arena)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)talk.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0);
	struct stream *io;

	if (fd < 0)
		return NULL;
	io = stream_open(arena, fd);
	stream_line_limit(io, 64 * 1024);
	stream_wait_first(io);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return io_connect(fd, (const struct sockaddr *)&address,
		sizeof(address), span_s(WAIT_S)) ? io : NULL;
}

static void say(struct client *c, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char next = i + 1 < text.len ? text.p[i + 1] : 0;

		if (text.p[i] != '$' || !strchr("unr", next) || !next) {
			io_write(c->io, str_of(text.p + i, 1));
			continue;
		}
		io_fmt(c->io, "%u", next == 'u' ?
			(unsigned)(talk.base + c->number % talk.users) :
			next == 'n' ? ++talk.serial :
			1 + (unsigned)random_below(talk.most));
		i++;
	}
	io_text(c->io, "\r\n");
}

typedef unsigned char lanes __attribute__((vector_size(LANES)));

static lanes load(const char *p)
{
	lanes all;

	memcpy(&all, p, sizeof(all));
	return all;
}

static bool is_line(struct str in, size_t at, struct str text)
{
	return in.len - at >= text.len + 2 &&
		memcmp(in.p + at, text.p, text.len) == 0 &&
		memcmp(in.p + at + text.len, "\r\n", 2) == 0;
}

/* A line end, and behind it that octet: all ones where that is. */
static lanes find_begin(const char *p, lanes lf, lanes first)
{
	return (lanes)(load(p) == lf) & (lanes)(load(p + 1) == first);
}

/* In four times LANES octets there is none. */
static bool has_none(const char *p, lanes lf, lanes first)
{
	lanes any = (find_begin(p, lf, first) |
			    find_begin(p + LANES, lf, first)) |
		(find_begin(p + 2 * LANES, lf, first) |
			find_begin(p + 3 * LANES, lf, first));
	uint64_t half[2];

	memcpy(half, &any, sizeof(half));
	return !(half[0] | half[1]);
}

/* Where a line begins that is `text`, if `in` begins with a line; SIZE_MAX: it
 * is not there. Looks at many octets at a time, so that the figures are the
 * server's and not those of reading its lines. */
static size_t find_line(struct str in, struct str text)
{
	lanes lf, first;
	size_t at = 0, end;

	memset(&lf, '\n', sizeof(lf));
	memset(&first, text.len > 0 ? text.p[0] : '\r', sizeof(first));
	if (is_line(in, 0, text))
		return 0;
	while (at < in.len) {
		end = in.len;
		if (at + 4 * LANES < in.len) {
			end = at + 4 * LANES;
			if (has_none(in.p + at, lf, first))
				at = end;
		}
		for (; at < end; at++)
			if (in.p[at] == '\n' && is_line(in, at + 1, text))
				return at + 1;
	}
	return SIZE_MAX;
}

/* Of what has come: up to that line, or to the last whole one. */
static bool pass_over(struct client *c, struct str text)
{
	struct str in = stream_buffered(c->io);
	const char *last = in.len > 0 ? memrchr(in.p, '\n', in.len) : NULL;
	size_t at = find_line(in, text);

	if (at != SIZE_MAX)
		stream_consume(c->io, at + text.len + 2);
	else if (last)
		stream_consume(c->io, (size_t)(last - in.p) + 1);
	return at != SIZE_MAX;
}

static bool hear(struct client *c, const struct step *step)
{
	struct str line;

	do {
		if (step->what == '=' && pass_over(c, step->text))
			return true;
		if (!io_line(c->io, &line, span_s(WAIT_S))) {
			if (talk.failed < 3)
				log_warning("no \"%.*s\": %m",
					STR_ARG(step->text));
			return false;
		}
	} while (step->what == '<' ? !str_starts(line, step->text) :
				     !str_eq(line, step->text));
	return true;
}

static bool run_step(struct client *c, const struct step *step)
{
	struct str octets;

	switch (step->what) {
	case 'o':
		c->io = connect_to(c->arena);
		return c->io != NULL;
	case '>':
		say(c, step->text);
		return true;
	case '@':
		io_write(c->io, step->text);
		return true;
	case 'c':
		while (io_peek(c->io, &octets, span_s(WAIT_S)))
			stream_consume(c->io, octets.len);
		stream_close(c->io);
		c->io = NULL;
		arena_reset(c->arena);
		return true;
	}
	return hear(c, step);
}

static bool run_block(struct client *c, size_t block)
{
	for (size_t i = talk.blocks[block]; i < talk.blocks[block + 1]; i++)
		if (!run_step(c, &talk.steps[i]))
			return false;
	return true;
}

static void run_client(struct client *c)
{
	size_t first = talk.block_count > 1;

	if (first && !run_block(c, 0)) {
		talk.failed++;
		return;
	}
	while (moment_left(talk.end).us > 0 && talk.begun < talk.times) {
		struct moment begin = moment_now();

		talk.begun++;
		if (!run_block(c, first + (size_t)random_below(
			(uint32_t)(talk.block_count - first)))) {
			talk.failed++;
			return;
		}
		talk.latencies[talk.done++ % LATENCIES] =
			moment_between(begin, moment_now()).us;
	}
}

static void client(void *context)
{
	struct client c = { .number = (int)(intptr_t)context,
		.arena = arena_new(0) };

	if (!talk.idle) {
		run_client(&c);
	} else {
		if (!run_block(&c, 0))
			talk.failed++;
		if (++talk.ready == talk.clients) {
			printf("ready %d failed %d\n", talk.ready,
				talk.failed);
			fflush(stdout);
		}
		while (!io_event_wait(&talk.leave, SPAN_FOREVER))
			;
	}
	arena_free(c.arena);
	if (--talk.open == 0)
		io_stop();
}

static void wait_for_word(void *context)
{
	char octets[64];

	(void)context;
	if (io_wait(STDIN_FILENO, POLLIN, SPAN_FOREVER) &&
		read(STDIN_FILENO, octets, sizeof(octets)) >= 0)
		io_event_wake_all(&talk.leave);
}

static void first(void *context)
{
	(void)context;
	talk.open = talk.clients;
	io_event_init(&talk.leave);
	for (int i = 0; i < talk.clients; i++)
		io_spawn("client", client, (void *)(intptr_t)i);
	if (talk.idle)
		io_spawn("word", wait_for_word, NULL);
}

static struct str file_text(const char *path)
{
	FILE *in = fopen(path, "re");
	struct buf out = { 0 };
	char piece[65536];
	size_t got;

	if (!in)
		log_fatal("%s: %m", path);
	while ((got = fread(piece, 1, sizeof(piece), in)) > 0)
		buf_add(&out, str_of(piece, got));
	fclose(in);
	return buf_str(&out);
}

static void read_script(const char *path)
{
	struct str text = file_text(path);

	while (text.len > 0 && talk.count < LINES_MOST) {
		struct str line = str_take_until(&text, '\n');
		struct step *step = &talk.steps[talk.count];

		if (line.len == 0 || line.p[0] == '#')
			continue;
		if (str_is(line, "---")) {
			if (talk.block_count + 1 < BLOCKS_MOST)
				talk.blocks[++talk.block_count] = talk.count;
			continue;
		}
		step->what = line.p[0];
		step->text = str_skip(line, 2);
		if (step->what == '@') {
			char name[4096];

			snprintf(name, sizeof(name), "%.*s",
				STR_ARG(step->text));
			step->text = file_text(name);
		}
		talk.count++;
	}
	talk.blocks[++talk.block_count] = talk.count;
}

static int by_size(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static double percentile(int percent)
{
	int64_t count = talk.done < LATENCIES ? talk.done : LATENCIES;

	return count == 0 ? 0 :
		(double)talk.latencies[(count - 1) * percent / 100] / 1000.0;
}

static const char *read_options(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "p:c:t:n:u:b:r:i")) >= 0) {
		int value = optarg ? atoi(optarg) : 0;

		switch (letter) {
		case 'p': talk.port = value; break;
		case 'c': talk.clients = value; break;
		case 't': talk.seconds = value; break;
		case 'n': talk.times = value; break;
		case 'u': talk.users = value; break;
		case 'b': talk.base = value; break;
		case 'r': talk.most = (unsigned)value; break;
		case 'i': talk.idle = true; break;
		default: exit(64);
		}
	}
	if (optind + 1 != argc)
		exit(64);
	return argv[optind];
}

int main(int argc, char **argv)
{
	const char *script = read_options(argc, argv);
	struct moment begin;
	double seconds;
	size_t count;

	read_script(script);
	talk.latencies = mem_new(LATENCIES, sizeof(int64_t));
	begin = moment_now();
	talk.end = moment_after(span_s(talk.seconds));
	io_run(first, NULL);
	seconds = (double)moment_between(begin, moment_now()).us / 1e6;
	if (talk.idle)
		return talk.failed != 0;
	count = talk.done < LATENCIES ? (size_t)talk.done : LATENCIES;
	qsort(talk.latencies, count, sizeof(int64_t), by_size);
	printf("done %d failed %d seconds %.3f p50 %.2f p99 %.2f\n",
		talk.done, talk.failed, seconds, percentile(50),
		percentile(99));
	return talk.failed != 0;
}
