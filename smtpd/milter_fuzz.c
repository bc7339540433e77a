/*
 * Whole sessions between a client and a mail filter, both hostile. The input:
 * an octet whose low three bits are the filter's default action (and bit 3: a
 * second filter, that says the same), three octets of steps that it agrees on,
 * the length of what it says then (two octets, the high one first; 0: it cannot
 * be reached), that, and the client's script: service/stand.h.
 */
#define main smtpd_main /* libFuzzer brings its own */
int smtpd_main(int argc, char **argv);
#include "smtpd/smtpd.c"
#undef main

#include "smtpd/session_stand.h"

#include "mail/header.h"
#include "milter/content.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

enum {
	SECOND_FILTER = 8,
	HEAD = 6, /* octets before what the filter says */
	FILTERS_MOST = 16, /* connections in one run */
	WAIT_S = 20,
	READ_MOST = 32 * 1024, /* octets at once */
};

static struct stand_queue queue;

static struct {
	uint8_t steps[3];
	struct str says; /* the filter, behind its options */
	unsigned connections, open;
	struct io_event closed;
} world;

/* ---- the filter ---- */

static void greet(struct stream *io)
{
	auto_buf struct buf out = { 0 };

	milter_head_format(&out, MILTER_OPTIONS, 12);
	milter_number_format(&out, MILTER_VERSION);
	milter_number_format(&out, 0x1ff);
	milter_number_format(&out, (uint32_t)world.steps[0] << 16 |
		(uint32_t)world.steps[1] << 8 | world.steps[2]);
	(void)!io_write(io, buf_str(&out));
}

/* One packet of the script; all that is left, if it is none. */
static struct str take_answer(struct str *says)
{
	struct str all = *says;
	size_t len;

	if (all.len < MILTER_LENGTH_OCTETS ||
		!milter_length_parse(str_first(all, MILTER_LENGTH_OCTETS),
			&len) || len > all.len - MILTER_LENGTH_OCTETS)
		len = all.len;
	else
		len += MILTER_LENGTH_OCTETS;
	*says = str_skip(all, len);
	return str_first(all, len);
}

/* What we hear is whole packets. False: the end. */
static bool hear(struct stream *io, char *kind)
{
	struct str octets;
	size_t len;

	if (!io_read(io, MILTER_LENGTH_OCTETS, &octets, span_s(WAIT_S)))
		return false;
	if (!milter_length_parse(octets, &len) ||
		len > MILTER_DATA_MOST + 1)
		panic("a filter hears what is no packet");
	for (bool is_first = true; len > 0; is_first = false) {
		size_t step = len < READ_MOST ? len : READ_MOST;

		if (!io_read(io, step, &octets, span_s(WAIT_S)))
			return false;
		if (is_first)
			*kind = octets.p[0];
		len -= step;
	}
	return true;
}

/* To each question the next packet of the script; at the message's end the
 * rest: what is to be changed, and the verdict. */
static void answer(struct stream *io, char kind, struct str *says)
{
	if (kind == MILTER_OPTIONS)
		greet(io);
	else if (kind == MILTER_END) {
		(void)!io_write(io, *says);
		*says = STR("");
	} else if (kind != MILTER_MACRO && kind != MILTER_ABORT)
		(void)!io_write(io, take_answer(says));
	(void)!io_flush(io, span_s(WAIT_S));
}

static void be_filter(void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stream *io = stream_open(arena, (int)(intptr_t)context);
	struct str says = world.says;
	char kind = 0;

	while (says.len > 0 && kind != MILTER_QUIT && hear(io, &kind))
		answer(io, kind, &says);
	stream_close(io);
	world.open--;
	io_event_wake_all(&world.closed);
}

static void serve_dial(struct call *call, void *context)
{
	struct msg_dialed answer = { .socket = -1, .text = STR("refused"),
		.status = ECONNREFUSED };
	struct msg_dial m;
	int pair[2];

	(void)context;
	if (!msg_dial_recv(call, &m, span_s(WAIT_S)))
		return;
	if (world.says.len > 0 && world.connections < FILTERS_MOST) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
					SOCK_NONBLOCK, 0, pair) < 0)
			panic("socketpair: %m");
		io_fresh(pair[1]);
		world.connections++;
		world.open++;
		io_spawn("filter", be_filter, (void *)(intptr_t)pair[1]);
		answer = (struct msg_dialed){ .socket = pair[0],
			.text = STR("") };
	}
	(void)!msg_dialed_send(call, &answer);
	base_close(&answer.socket);
}

static void await_filters(void)
{
	while (world.open > 0)
		if (!io_event_wait(&world.closed, span_s(WAIT_S)))
			panic("a conversation with a filter stays");
}

/* ---- what cleanup does ---- */

static struct str read_body(void *owner, uint64_t at, size_t len)
{
	const struct str *body = owner;

	return str_first(str_skip(*body, (size_t)at), len);
}

static enum milter_line take_line(void *owner, struct str *line)
{
	(void)owner;
	(void)line;
	return MILTER_LINE_TAKE;
}

static void take_edit(void *owner, const struct milter_edit *edit)
{
	(void)owner;
	if (edit->address.len == 0 && edit->kind != MILTER_CHANGE_SENDER)
		panic("a recipient without an address");
}

/* Header and body: the empty line belongs to neither. */
static struct milter_content content_of(struct arena *arena, struct str text,
	struct str *body)
{
	size_t at = str_find(text, STR("\n\n"));
	struct milter_content c = { .arena = arena, .read = read_body,
		.line = take_line, .edit = take_edit, .owner = body,
		.body_most = 100000 };

	c.header = at == SIZE_MAX ? text : str_first(text, at + 1);
	*body = at == SIZE_MAX ? STR("") : str_skip(text, at + 2);
	c.body_octets = body->len;
	return c;
}

static void look_at_edited(const struct milter_content *c)
{
	if (c->has_new_body && c->body.len > 0 &&
		(!str_ends(c->body, STR("\n")) ||
			str_find_char(c->body, '\r') != SIZE_MAX ||
			str_find_char(c->body, '\0') != SIZE_MAX))
		panic("a new body that is no text");
}

static struct status take_message(void *context, const struct stand_message *m)
{
	auto_arena struct arena *arena = arena_new(0);
	struct milters *filters = milters_received(arena, server.conf);
	struct str body;
	struct milter_content c = content_of(arena, m->content, &body);
	struct status status;

	(void)context;
	session_look(m);
	for (size_t i = 0; i < m->milter_count; i++) {
		struct msg_milter one = m->milters[i];

		one.socket = fcntl(one.socket, F_DUPFD_CLOEXEC, 0);
		if (one.socket < 0 || !milters_receive(filters, &one))
			panic("a conversation that does not arrive");
	}
	status = milters_content(filters, &c);
	look_at_edited(&c);
	milters_abort(filters);
	queue.in_step = milters_in_step(filters);
	if (!status_is_ok(status) && status_class(status) < 4)
		panic("a refusal that is none");
	status.text = status_is_ok(status) ? STR("") : STR("no");
	return status;
}

/* ---- one run ---- */

static void open_once(void)
{
	static const char *const more[] = {
		"smtpd_milters=inet:filter.example:1 inet:filter.example:2",
		"milter_command_timeout=2", "milter_content_timeout=2",
		"milter_connect_timeout=2", NULL };
	static bool is_open;

	if (is_open)
		return;
	is_open = true;
	queue.take = take_message;
	session_open(&smtpd, &queue, more);
	stand_peer("dialer", serve_dial, NULL);
	io_event_init(&world.closed);
}

static void run_client(struct client *client, void *context)
{
	(void)context;
	session(server.conf, client);
}

static void run(void *context)
{
	stand_session(run_client, NULL, *(struct str *)context);
	await_filters();
	io_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str rest = str_of(octets, len), script;
	size_t said, taken, count;
	enum milter_otherwise otherwise;

	if (len < HEAD)
		return 0;
	open_once();
	said = (size_t)octets[4] << 8 | octets[5];
	memcpy(world.steps, octets + 1, sizeof(world.steps));
	rest = str_skip(rest, HEAD);
	world.says = str_first(rest, said);
	script = str_skip(rest, world.says.len);
	otherwise = (octets[0] & 7) % MILTER_OTHERWISES;
	count = server.milters.count;
	server.milters.count = octets[0] & SECOND_FILTER ? 2 : 1;
	for (size_t i = 0; i < count; i++)
		server.milters.all[i].otherwise = otherwise;
	taken = queue.taken;
	world.connections = 0;
	io_run(run, &script);
	server.milters.count = count;
	if (world.says.len == 0 && otherwise >= MILTER_OTHERWISE_REJECT &&
		queue.taken > taken)
		panic("mail passes a filter that cannot be asked");
	return 0;
}
