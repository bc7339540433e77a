/*
 * peer-call - one daemon, started as master starts it, and questions to it.
 *
 *	peer-call PROGRAM CONFIG-DIRECTORY ASKER
 *
 * Lines on standard input; the questions of one line are asked at once, the
 * answers come in their order, a line each:
 *
 *	dns NAME TYPE FLAGS; dns NAME TYPE FLAGS
 *		STATUS TTL SECURE CANONICAL RECORD-IN-HEX ...
 *	dial PURPOSE ENDPOINT
 *		ERRNO TEXT
 *	grant USER MAIL UID GID TAG PATH INPUT
 *		ERRNO; a connection to the UNIX socket PATH is handed over
 *	socketless USER MAIL UID GID
 *		ERRNO; the same without a connection
 *
 * The daemon gets no introductions to others.
 */
#include "base/encode.h"
#include "base/log.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "ipc/frame.h"
#include "ipc/messages.h"
#include "service/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	QUESTIONS_MOST = 64,
	ANSWER_S = 60,
};

struct question {
	struct str words[8];
	struct str answer;
	struct arena *arena;
	bool is_answered;
};

static struct {
	const char *program, *directory, *asker;
	struct peer *peer;
	struct io_event event; /* an answer came, the daemon is ready */
	int channel;
} world;

static _Noreturn void be_daemon(int channel)
{
	int load = memfd_create("load", 0);

	if (load < 0 || ftruncate(load, LOAD_OCTETS) < 0)
		abort();
	load = fcntl(load, F_DUPFD, 100);
	channel = fcntl(channel, F_DUPFD, 100);
	dup2(channel, BIRTH_CHANNEL);
	dup2(load, BIRTH_LOAD);
	close_range(BIRTH_RING, ~0U, 0);
	setenv(BIRTH_LISTENERS, "0", 1);
	execl(world.program, world.program, "-c", world.directory,
		(char *)NULL);
	_exit(127);
}

static void send_introduced(int fd)
{
	auto_buf struct buf body = { 0 }, out = { 0 };
	struct msg_introduced m = { .service = str_from(world.asker),
		.pid = (uint64_t)getpid(), .most = 1000, .processes = 1 };
	struct frame frame = { .call = 1, .kind = MSG_introduced };
	struct iovec piece;

	msg_introduced_format(&body, &m);
	frame.body = buf_str(&body);
	frame.flags = 1 << FRAME_FDS_SHIFT;
	frame_format(&out, &frame);
	piece = (struct iovec){ .iov_base = out.p, .iov_len = out.len };
	if (!io_packet_send(world.channel, &piece, 1, &fd, 1, span_s(5)))
		abort();
}

static void be_introduced(void)
{
	int pair[2];

	if (!packet_pair(pair))
		abort();
	send_introduced(pair[1]);
	close(pair[1]);
	world.peer = peer_open(pair[0], str_from("daemon"), NULL, NULL);
}

static void ask_dns(struct question *q, struct call *call)
{
	struct buf out = BUF_IN(q->arena);
	struct msg_dns_query query = { .name = q->words[1] };
	struct msg_dns_answer answer;
	struct str record;

	if (!str_parse_u64(q->words[2], 65535, &query.type) ||
		!str_parse_u64(q->words[3], 255, &query.flags) ||
		!msg_dns_query_send(call, &query) ||
		!msg_dns_answer_recv(call, &answer, span_s(ANSWER_S)))
		return;
	buf_fmt(&out, "%u %u %d %.*s", (unsigned)answer.status,
		(unsigned)answer.ttl, answer.secure,
		STR_ARG(answer.canonical));
	while (msg_list_take(&answer.records, &record)) {
		buf_char(&out, ' ');
		hex_format(&out, record);
	}
	q->answer = buf_str(&out);
}

static void ask_dial(struct question *q, struct call *call)
{
	struct msg_dial dial = { .purpose = q->words[1],
		.endpoint = q->words[2], .source = STR_NONE,
		.timeout_ms = 5000 };
	struct msg_dialed answer = { .socket = -1 };

	if (!msg_dial_send(call, &dial) ||
		!msg_dialed_recv(call, &answer, span_s(ANSWER_S)))
		return;
	q->answer = arena_fmt(q->arena, "%u %s", (unsigned)answer.status,
		answer.socket >= 0 ?
			"connected" :
			arena_cstr(q->arena, answer.text));
	base_close(&answer.socket);
}

static void grant(struct question *q, struct call *call,
	const struct msg_handover *handover)
{
	struct msg_auth_grant m = { .user = q->words[1],
		.home = STR("/nonexistent"), .mail = q->words[2] };
	struct msg_handed_over done;

	if (str_parse_u64(q->words[3], UINT32_MAX, &m.sys_uid) &&
		str_parse_u64(q->words[4], UINT32_MAX, &m.sys_gid) &&
		msg_auth_grant_send(call, &m) &&
		msg_handover_send(call, handover) &&
		msg_handed_over_recv(call, &done, span_s(ANSWER_S)))
		q->answer = arena_fmt(q->arena, "%u", (unsigned)done.status);
}

static void ask_grant(struct question *q, struct call *call)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct msg_handover m = { .tag = q->words[5], .input = q->words[7],
		.client_address = STR("192.0.2.1"), .socket = fd };

	memcpy(address.sun_path, q->words[6].p, q->words[6].len);
	if (m.input.len > 0)
		m.input = arena_fmt(q->arena, "%.*s\r\n", STR_ARG(m.input));
	if (connect(fd, (const struct sockaddr *)&address,
		    sizeof(address)) == 0)
		grant(q, call, &m);
}

static void ask_socketless(struct question *q, struct call *call)
{
	const struct msg_handover m = { .tag = STR("a") };

	grant(q, call, &m);
}

static void ask(void *context)
{
	struct question *q = context;
	struct call *call = peer_call(world.peer, q->arena);

	q->answer = STR("no answer");
	if (str_is(q->words[0], "dns"))
		ask_dns(q, call);
	else if (str_is(q->words[0], "dial"))
		ask_dial(q, call);
	else if (str_is(q->words[0], "grant"))
		ask_grant(q, call);
	else if (str_is(q->words[0], "socketless"))
		ask_socketless(q, call);
	q->is_answered = true;
	io_event_wake_all(&world.event);
}

static void run_line(struct str line)
{
	struct question questions[QUESTIONS_MOST] = { 0 };
	struct str text;
	size_t count = 0;

	while (count < QUESTIONS_MOST && str_take_item(&line, ";", &text)) {
		struct question *q = &questions[count++];

		q->arena = arena_new(0);
		for (size_t i = 0; i < COUNT(q->words); i++)
			q->words[i] = str_take_word(&text);
		io_spawn("ask", ask, q);
	}
	for (size_t i = 0; i < count; i++) {
		while (!questions[i].is_answered)
			if (!io_event_wait(&world.event, SPAN_FOREVER))
				abort();
		printf("%.*s\n", STR_ARG(questions[i].answer));
		arena_free(questions[i].arena);
	}
	fflush(stdout);
}

static void converse(void *context)
{
	char line[4096];

	(void)context;
	io_event_init(&world.event);
	be_introduced();
	while (fgets(line, sizeof(line), stdin))
		run_line(str_trim(str_from(line)));
	io_stop();
}

int main(int argc, char **argv)
{
	int channel[2], status;
	pid_t child;

	if (argc != 4 || !packet_pair(channel))
		log_fatal("usage: peer-call PROGRAM DIRECTORY ASKER");
	signal(SIGPIPE, SIG_IGN);
	world.program = argv[1];
	world.directory = argv[2];
	world.asker = argv[3];
	world.channel = channel[0];
	child = fork();
	if (child == 0)
		be_daemon(channel[1]);
	close(channel[1]);
	io_run(converse, NULL);
	kill(child, SIGKILL); /* it would wait for us */
	waitpid(child, &status, 0);
	return 0;
}
