/*
 * smtp-source - sends test messages to an SMTP or LMTP server.
 *
 * Room       a fiber per session; the caller's own privileges
 * Talks to   the server that is named
 * RFC        5321, 2033
 */
#include "base/log.h"
#include "base/random.h"
#include "commands/endpoint.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "io/stream.h"
#include "mail/date.h"
#include "service/command.h"
#include "smtp/data.h"
#include "smtp/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct command command = {
	"smtp-source",
	"[-46AcdLNov] [-C count] [-f from] [-F file] [-l msglen] "
	"[-m messages] [-M myhostname] [-r recipients] [-R delay] "
	"[-s sessions] [-S subject] [-t to] [-T windowsize] [-w delay] "
	"host[:port]",
	.says_path = true,
};

enum {
	STEP_S = 300,     /* for a reply */
	RETRY_MS = 10,    /* between attempts to connect */
	LINE_OCTETS = 80, /* of made up content, with CRLF */
	BLOCK = 32 * 1024,
	COUNT_MOST = 1000 * 1000 * 1000,
};

/* What the command line says, and what is left to do. */
struct source {
	struct arena *arena;
	struct endpoint endpoints[ENDPOINTS_MOST];
	size_t endpoint_count, family;
	bool go_on, show_count, stay, lmtp, unique, old, verbose;
	struct str from, to, host, subject, file;
	struct buf body; /* in wire form, with its end */
	bool has_headers; /* in the body already */
	uint64_t tries, length, messages, recipients, sessions, window;
	uint64_t random_delay, delay;

	uint64_t begun, done, sequence;
};

struct session {
	struct source *source;
	struct arena *arena; /* of the connection */
	struct arena *step;  /* of one message */
	struct stream *io;
};

/* ---- what is sent ---- */

static void make_lines(struct source *source)
{
	for (int i = 1; i <= 4; i++)
		buf_fmt(&source->body, "La de da de da %d.\r\n", i);
}

/* Lines of 80 octets that begin with their number, then what is left. */
static void make_length(struct source *source)
{
	struct buf *body = &source->body;

	for (uint64_t line = 1, left = source->length; left > 0; line++) {
		size_t end;

		if (left < LINE_OCTETS) {
			end = body->len + (size_t)left;
			left = 0;
		} else {
			end = body->len + LINE_OCTETS - 2;
			left -= LINE_OCTETS;
			buf_u64(body, line);
		}
		while (body->len < end)
			buf_char(body, 'X');
		buf_text(body, "\r\n");
	}
}

static void read_file(struct source *source)
{
	const char *path = arena_cstr(source->arena, source->file);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct smtp_encoder encoder = { 0 };
	char *block = arena_alloc(source->arena, BLOCK);
	ssize_t got;

	if (fd < 0)
		log_fatal("open %s: %m", path);
	while ((got = read(fd, block, BLOCK)) > 0)
		smtp_encode(&encoder, str_of(block, (size_t)got),
			&source->body);
	if (got < 0)
		log_fatal("read %s: %m", path);
	smtp_encode_end(&encoder, &source->body);
}

static void make_body(struct source *source)
{
	source->body = BUF_IN(source->arena);
	source->has_headers = source->old;
	if (source->file.len) {
		source->has_headers = true;
		read_file(source);
		return;
	}
	if (source->length)
		make_length(source);
	else
		make_lines(source);
	buf_text(&source->body, ".\r\n");
}

static void send_headers(struct session *s, uint64_t number)
{
	const struct source *source = s->source;
	struct buf date = BUF_IN(s->step);

	mail_date_format(&date, wall_us() / 1000000);
	io_fmt(s->io, "From: <%.*s>\r\nTo: <%.*s>\r\nDate: %.*s\r\n",
		STR_ARG(source->from), STR_ARG(source->to),
		STR_ARG(buf_str(&date)));
	io_fmt(s->io, "Message-Id: <%04x.%04x.%04llx@%.*s>\r\n",
		(unsigned)getpid(), (unsigned)stream_fd(s->io),
		(unsigned long long)number, STR_ARG(source->host));
	if (source->subject.len)
		io_fmt(s->io, "Subject: %.*s\r\n", STR_ARG(source->subject));
	io_text(s->io, "\r\n");
}

/* ---- the dialogue ---- */

static struct smtp_reply take_reply(struct session *s, const char *when)
{
	struct smtp_reply reply = { 0 };
	enum smtp_reply_state state = SMTP_REPLY_MORE;
	struct str line;

	while (state == SMTP_REPLY_MORE) {
		if (!io_line(s->io, &line, span_s(STEP_S))) {
			if (errno == ETIMEDOUT)
				log_fatal("timeout %s", when);
			log_fatal("lost connection %s", when);
		}
		if (s->source->verbose)
			log_info("<<< %.*s", STR_ARG(line));
		state = smtp_reply_add(s->step, &reply, line);
	}
	if (state == SMTP_REPLY_BAD)
		log_fatal("bad reply %s: %.*s", when, STR_ARG(line));
	return reply;
}

/* True: it is of the class that was wanted. Else a warning, or the end. */
static bool expect(struct session *s, unsigned class, const char *when,
	const char *rejected)
{
	struct smtp_reply reply = take_reply(s, when);

	if (reply.code / 100 == class)
		return true;
	if (!s->source->go_on)
		log_fatal("%s: %.*s", rejected, STR_ARG(reply.whole));
	log_warning("%s: %.*s", rejected, STR_ARG(reply.whole));
	return false;
}

static bool send_recipient(struct session *s, uint64_t number)
{
	const struct source *source = s->source;
	struct buf address = BUF_IN(s->step);

	if (number)
		buf_u64(&address, number);
	buf_add(&address, source->to);
	io_fmt(s->io, "RCPT TO:<%.*s>\r\n", STR_ARG(buf_str(&address)));
	return expect(s, 2, "while sending recipient", "recipient rejected");
}

/* How many recipients were accepted. */
static uint64_t send_recipients(struct session *s)
{
	struct source *source = s->source;
	uint64_t accepted = 0;

	for (uint64_t left = source->recipients; left > 0; left--) {
		uint64_t number = source->unique ? ++source->sequence :
			left > 1		 ? left :
						   0;

		accepted += send_recipient(s, number);
	}
	return accepted;
}

static void count(struct source *source)
{
	source->done++;
	if (!source->show_count)
		return;
	printf("%llu\r", (unsigned long long)source->done);
	fflush(stdout);
}

static void send_content(struct session *s, uint64_t accepted, uint64_t number)
{
	struct source *source = s->source;

	if (!source->has_headers)
		send_headers(s, number);
	io_write(s->io, buf_str(&source->body));
	for (uint64_t i = 0; i < (source->lmtp ? accepted : 1); i++)
		expect(s, 2, "while sending end of data",
			"end of data rejected");
	count(source);
}

static void send_message(struct session *s, uint64_t number)
{
	const struct source *source = s->source;
	uint64_t accepted;

	arena_reset(s->step);
	io_fmt(s->io, "MAIL FROM:<%.*s>\r\n", STR_ARG(source->from));
	if (expect(s, 2, "while sending sender", "sender rejected") &&
		(accepted = send_recipients(s)) > 0) {
		io_text(s->io, "DATA\r\n");
		if (expect(s, 3, "while sending data", "data rejected")) {
			send_content(s, accepted, number);
			return;
		}
	}
	io_text(s->io, "RSET\r\n");
	expect(s, 2, "while sending reset", "reset rejected");
}

static void greet(struct session *s)
{
	const struct source *source = s->source;

	expect(s, 2, "while reading server greeting",
		"rejected at server banner");
	if (source->old)
		return;
	io_fmt(s->io, "%s %.*s\r\n", source->lmtp ? "LHLO" : "HELO",
		STR_ARG(source->host));
	expect(s, 2, "while sending HELO",
		source->lmtp ? "LHLO rejected" : "HELO rejected");
}

/* ---- sessions ---- */

static void set_window(const struct source *source, int fd)
{
	int octets = (int)source->window;

	if (octets == 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof(octets));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof(octets));
}

/* Connected to the first address that answers; -1 with errno. */
static int try_connect(const struct source *source)
{
	for (size_t i = 0; i < source->endpoint_count; i++) {
		const struct endpoint *e = &source->endpoints[i];
		auto_close int fd = endpoint_socket(e);

		if (fd < 0)
			continue;
		set_window(source, fd);
		if (io_connect(fd,
			    (const struct sockaddr *)(const void *)&e->address,
			    e->len, span_s(STEP_S)))
			return fd_keep(&fd);
	}
	return -1;
}

static int connect_server(const struct source *source)
{
	for (uint64_t left = source->tries;; left--) {
		int fd = try_connect(source);

		if (fd >= 0)
			return fd;
		if (left <= 1 || !io_sleep(span_ms(RETRY_MS)))
			log_fatal("connect: %m");
	}
}

static bool has_more(const struct source *source)
{
	return source->begun < source->messages;
}

static void pause_between(const struct source *source)
{
	uint64_t wait = source->delay;

	if (source->random_delay)
		wait = random_below(source->random_delay + 1);
	if (wait && has_more(source))
		(void)!io_sleep(span_s((int64_t)wait));
}

static void run_connection(struct source *source)
{
	struct session s = { .source = source, .arena = arena_new(0) };

	s.step = arena_child(s.arena);
	s.io = stream_open(s.arena, connect_server(source));
	greet(&s);
	while (has_more(source)) {
		send_message(&s, source->messages - ++source->begun);
		if (!source->stay)
			break;
		pause_between(source);
	}
	io_text(s.io, "QUIT\r\n");
	/* The message is away; what the server says now is not awaited
	 * for long, and not judged. */
	if (source->go_on || source->verbose)
		(void)take_reply(&s, "while sending QUIT");
	else
		io_flush(s.io, span_s(STEP_S));
	arena_free(s.arena);
}

static void run_session(void *context)
{
	struct source *source = context;

	while (has_more(source)) {
		run_connection(source);
		if (!source->stay)
			pause_between(source);
	}
}

static void run(void *context)
{
	struct source *source = context;
	uint64_t sessions = source->sessions;

	if (sessions > source->messages)
		sessions = source->messages;
	while (sessions-- > 0)
		io_spawn("session", run_session, source);
}

/* ---- the command line ---- */

static uint64_t number(const char *text, const char *what, uint64_t least,
	uint64_t most)
{
	uint64_t value;

	if (!str_parse_u64(str_from(text), most, &value) || value < least)
		log_fatal("bad %s: %s", what, text);
	return value;
}

/* A flag, a text or a number of the command line goes to a field. */
static const struct option_row {
	char letter;
	enum { FLAG, TEXT, NUMBER } kind;
	size_t offset;
	const char *what; /* a number is */
	uint64_t least, most;
} rows[] = {
#define AT(field) offsetof(struct source, field)
	{ 'A', FLAG, AT(go_on) },       { 'c', FLAG, AT(show_count) },
	{ 'd', FLAG, AT(stay) },        { 'L', FLAG, AT(lmtp) },
	{ 'N', FLAG, AT(unique) },      { 'o', FLAG, AT(old) },
	{ 'v', FLAG, AT(verbose) },     { 'f', TEXT, AT(from) },
	{ 'F', TEXT, AT(file) },        { 'M', TEXT, AT(host) },
	{ 'S', TEXT, AT(subject) },     { 't', TEXT, AT(to) },
	{ 'C', NUMBER, AT(tries), "connection count", 1, COUNT_MOST },
	{ 'l', NUMBER, AT(length), "message length", 1, COUNT_MOST },
	{ 'm', NUMBER, AT(messages), "message count", 1, COUNT_MOST },
	{ 'r', NUMBER, AT(recipients), "recipient count", 1, COUNT_MOST },
	{ 'R', NUMBER, AT(random_delay), "random delay", 1, COUNT_MOST },
	{ 's', NUMBER, AT(sessions), "session count", 1, COUNT_MOST },
	{ 'T', NUMBER, AT(window), "TCP window size", 1, 65535 },
	{ 'w', NUMBER, AT(delay), "fixed delay", 1, COUNT_MOST },
#undef AT
};

static void set_option(struct source *source, int letter)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct option_row *row = &rows[i];
		void *field = (char *)source + row->offset;

		if (row->letter != letter)
			continue;
		if (row->kind == FLAG)
			*(bool *)field = true;
		else if (row->kind == TEXT)
			*(struct str *)field = str_from(optarg);
		else
			*(uint64_t *)field =
				number(optarg, row->what, row->least,
					row->most);
		return;
	}
	command_usage(&command);
}

static void complete(struct source *source)
{
	char name[256] = "localhost";

	if (str_is_none(source->host)) {
		gethostname(name, sizeof(name) - 1);
		source->host = arena_copy(source->arena, str_from(name));
	}
	if (str_is_none(source->from))
		source->from = arena_fmt(source->arena, "foo@%.*s",
			STR_ARG(source->host));
	if (str_is_none(source->to))
		source->to = arena_fmt(source->arena, "foo@%.*s",
			STR_ARG(source->host));
	make_body(source);
}

int main(int argc, char **argv)
{
	struct source source = { .arena = arena_new(0), .tries = 1,
		.messages = 1, .recipients = 1, .sessions = 1 };
	int letter, family = AF_UNSPEC;

	command_begin(&command, argc, argv);
	while ((letter = getopt(argc, argv,
			"46AcC:df:F:l:Lm:M:Nor:R:s:S:t:T:vw:")) >= 0) {
		if (letter == '4' || letter == '6')
			family = letter == '4' ? AF_INET : AF_INET6;
		else
			set_option(&source, letter);
	}
	if (source.delay && source.random_delay)
		log_fatal("do not use -w and -R options at the same time");
	if (source.length && source.file.len > 0)
		log_fatal("-l option cannot be used with -F");
	if (argc - optind != 1)
		command_usage(&command);
	complete(&source);
	source.endpoint_count = endpoint_find(argv[optind], "smtp", family,
		false, source.endpoints);
	io_run(run, &source);
	if (source.show_count)
		putchar('\n');
	arena_free(source.arena);
	return 0;
}
