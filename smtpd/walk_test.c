/*
 * A random walk of SMTP commands beside a small model of the transaction:
 * every reply and every queued message must be the model's. The number of
 * commands is POSTHORN_WALK (20,000), the dice start at POSTHORN_SEED (1).
 */
#include "base/test.h"

#define main smtpd_main
int smtpd_main(int argc, char **argv);
#include "smtpd/smtpd.c"
#undef main

#include "queue/stand.h"
#include "service/stand.h"

#include <stdio.h>
#include <string.h>

enum {
	RECIPIENTS_MOST = 5, /* smtpd_recipient_limit */
	ERRORS_MOST = 20,    /* smtpd_hard_error_limit */
	JUNK_MOST = 10,      /* smtpd_junk_command_limit */
	GROUP_MOST = 12,     /* commands in one packet */
	WAIT_S = 20,
};

/* ---- dice ---- */

static uint64_t dice;

static unsigned throw(unsigned sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice >> 33) % sides;
}

/* ---- the model ---- */

struct envelope {
	bool open;
	unsigned sender, count, to[RECIPIENTS_MOST];
	bool chunked, spoiled;
	char text[2048]; /* as it should be queued, without our own header */
	size_t len;
};

static struct model {
	bool esmtp, over;
	unsigned errors, junk;
	struct envelope envelope; /* one struct, one reset */
} model;

static void reset(void)
{
	model.envelope = (struct envelope){ 0 };
}

/* What should be committed, in order. */
static struct {
	unsigned long expected, taken;
	struct envelope next[GROUP_MOST + 1];
} queue_model;

static bool is_address(struct str address, unsigned number, const char *domain)
{
	char text[64];

	snprintf(text, sizeof(text), "u%u@%s", number, domain);
	return str_is(address, text);
}

static struct status compare_message(void *context,
	const struct stand_message *m)
{
	const struct envelope *e =
		&queue_model.next[queue_model.taken++ % (GROUP_MOST + 1)];

	(void)context;
	assert_true(queue_model.taken <= queue_model.expected);
	assert_true(is_address(m->facts.sender, e->sender, "example.net"));
	assert_int_equal(m->recipient_count, e->count);
	for (unsigned i = 0; i < e->count; i++)
		assert_true(is_address(m->recipients[i].address, e->to[i],
			"example.org"));
	assert_true(str_starts(m->content, STR("Received: ")));
	assert_true(str_ends(m->content, str_of(e->text, e->len)));
	return STATUS_OK;
}

/* ---- a group of commands on its way ---- */

static struct {
	struct buf out;
	int expected[2 * GROUP_MOST + 2]; /* reply codes */
	size_t count;
} group;

static unsigned long said; /* commands */

/* A reply; true: the session goes on. */
static void expect(int code)
{
	group.expected[group.count++] = code;
	if (code >= 400)
		model.errors++;
}

static void expect_free(int code)
{
	group.expected[group.count++] = code;
}

/* After each command. */
static void end_of_command(void)
{
	said++;
	if (!model.over && model.errors >= ERRORS_MOST) {
		group.expected[group.count++] = 421;
		model.over = true;
	}
}

static void add_junk(void)
{
	if (model.junk++ > JUNK_MOST)
		model.errors++;
}

/* ---- commands: what is said, and what the model makes of it. True: the
 * last of its group. ---- */

static bool hello(bool esmtp)
{
	buf_text(&group.out, esmtp ? "EHLO c.example\r\n" : "HELO c.example\r\n");
	add_junk();
	model.esmtp = esmtp;
	reset();
	expect(250);
	return true;
}

static bool say_helo(void) { return hello(false); }
static bool say_ehlo(void) { return hello(true); }

static bool say_mail(void)
{
	struct envelope *e = &model.envelope;
	unsigned sender = throw(4), kind = throw(8);

	buf_fmt(&group.out, "MAIL FROM:<u%u@example.net>%s\r\n", sender,
		kind == 0 ? " SIZE=70001" : kind == 1 ? " X=1" : "");
	if (e->open) {
		expect(503);
	} else if (kind < 2) {
		expect(kind == 0 ? 552 : 555);
	} else {
		reset();
		e->open = true;
		e->sender = sender;
		expect(250);
	}
	return false;
}

static bool say_rcpt(void)
{
	struct envelope *e = &model.envelope;
	unsigned to = throw(9), kind = throw(6);

	buf_fmt(&group.out, kind == 0 ? "RCPT TO:<u%u@example.com>\r\n" :
		kind == 1 ? "RCPT TO:<u%u>>\r\n" :
		"RCPT TO:<u%u@example.org>\r\n", to);
	if (!e->open || e->chunked)
		expect(503);
	else if (kind == 1)
		expect(501);
	else if (e->count == RECIPIENTS_MOST)
		expect_free(452);
	else if (kind == 0)
		expect(454);
	else {
		e->to[e->count++] = to;
		expect(250);
	}
	return false;
}

static void commit(void)
{
	queue_model.next[queue_model.expected++ % (GROUP_MOST + 1)] =
		model.envelope;
	model.errors = model.junk = 0;
}

/* Lines of text: `wire` as sent, `text` as queued. */
static void add_line(struct buf *wire, struct envelope *e, bool stuff)
{
	static const struct {
		const char *wire, *text;
		size_t wire_len;
	} lines[] = {
		{ "x", "x", 1 }, { "..", ".", 2 }, { ".x", "x", 2 },
		{ "", "", 0 }, { "a\rb", "a b", 3 }, { "a\n.\nb", "a\n\nb", 5 },
		{ "\0.", ".", 2 }, { "QUIT", "QUIT", 4 },
	}, chunks[] = {
		{ "x", "x", 1 }, { ".", ".", 1 }, { "", "", 0 },
		{ "\n.\n", "\n.\n", 3 }, { "RSET", "RSET", 4 },
	};
	unsigned which = throw(stuff ? COUNT(lines) : COUNT(chunks));
	const char *text = stuff ? lines[which].text : chunks[which].text;

	buf_add(wire, stuff ?
		str_of(lines[which].wire, lines[which].wire_len) :
		str_of(chunks[which].wire, chunks[which].wire_len));
	buf_text(wire, "\r\n");
	e->len += (size_t)snprintf(e->text + e->len, sizeof(e->text) - e->len,
		"%s\n", text);
}

/* Wait for the replies so far; false: the session is over. */
static bool settle(struct stream *io);
static struct stream *client; /* of the session at hand */

static bool say_data(void)
{
	struct envelope *e = &model.envelope;
	bool odd = throw(10) == 0;

	buf_text(&group.out, odd ? "DATA x\r\n" : "DATA\r\n");
	if (e->chunked) {
		expect(503);
		return true;
	}
	if (e->count == 0 || e->spoiled) {
		expect(e->open && !e->spoiled ? 554 :
			e->count == 0 && e->open ? 554 : 503);
		return true;
	}
	if (odd) {
		expect(501);
		return true;
	}
	expect(354);
	if (!settle(client))
		return true;
	for (unsigned lines = throw(6); lines > 0; lines--)
		add_line(&group.out, e, true);
	buf_text(&group.out, ".\r\n");
	commit();
	reset();
	expect(250);
	return false; /* what follows may be in the same packet */
}

static bool say_noop(void)
{
	buf_text(&group.out, "NOOP\r\n");
	add_junk();
	expect(250);
	return true;
}

static bool say_bdat(void)
{
	struct envelope *e = &model.envelope;
	auto_buf struct buf chunk = { 0 };
	bool last = throw(2), good = e->count > 0 && !e->spoiled;
	size_t before = e->len;

	if (!model.esmtp) /* a chunk in the same packet is out of turn then */
		return say_noop();
	for (unsigned lines = throw(4); lines > 0; lines--)
		add_line(&chunk, e, false);
	buf_fmt(&group.out, "BDAT %zu%s\r\n", chunk.len, last ? " LAST" : "");
	buf_add(&group.out, buf_str(&chunk));
	if (!good) {
		e->len = before;
		expect(e->open && e->count == 0 ? 554 : 503);
		e->spoiled = e->open;
		return false;
	}
	e->chunked = true;
	if (last) {
		commit();
		reset();
	}
	expect(250);
	return false;
}

static bool say_rset(void)
{
	buf_text(&group.out, "RSET\r\n");
	add_junk();
	reset();
	expect(250);
	return false;
}

static bool say_vrfy(void)
{
	buf_text(&group.out, "VRFY u1@example.org\r\n");
	add_junk();
	expect(252);
	return true;
}

static bool say_help(void)
{
	buf_text(&group.out, "HELP\r\n");
	expect(214);
	return false;
}

static bool say_nonsense(void)
{
	static const struct {
		const char *line;
		int code;
	} lines[] = {
		{ "WHAT", 500 }, { "STARTTLS", 502 }, { "AUTH PLAIN", 503 },
		{ "RSET x", 501 }, { "", 500 }, { "MAIL", 501 },
	};
	unsigned which = throw(COUNT(lines));

	if (which == 5 && model.envelope.open)
		which = 0;
	buf_fmt(&group.out, "%s\r\n", lines[which].line);
	if (which == 3)
		add_junk();
	expect(lines[which].code);
	return false;
}

static bool say_quit(void)
{
	buf_text(&group.out, "QUIT\r\n");
	expect(221);
	model.over = true;
	return true;
}

static const struct {
	bool (*say)(void);
	unsigned weight;
} commands[] = {
	{ say_helo, 1 }, { say_ehlo, 3 }, { say_mail, 14 }, { say_rcpt, 30 },
	{ say_data, 16 }, { say_bdat, 12 }, { say_rset, 4 }, { say_noop, 2 },
	{ say_vrfy, 1 }, { say_help, 1 }, { say_nonsense, 3 }, { say_quit, 1 },
};

static bool say_one(void)
{
	static unsigned sum;
	unsigned at, i = 0;
	bool last;

	if (sum == 0)
		for (size_t k = 0; k < COUNT(commands); k++)
			sum += commands[k].weight;
	/* Most sessions get somewhere. */
	if (!model.esmtp && throw(2)) {
		last = say_ehlo();
		end_of_command();
		return last;
	}
	for (at = throw(sum); at >= commands[i].weight; i++)
		at -= commands[i].weight;
	last = commands[i].say();
	end_of_command();
	return last;
}

/* ---- the client ---- */

static void read_reply(struct stream *io, int wanted)
{
	struct str line;

	do {
		if (!io_line(io, &line, span_s(WAIT_S)))
			fail_msg("no reply; %d was due", wanted);
		if (line.len < 3 || (line.p[0] - '0') * 100 +
				(line.p[1] - '0') * 10 + line.p[2] - '0' !=
				wanted)
			fail_msg("after %lu commands: %.*s; %d was due", said,
				STR_ARG(line), wanted);
	} while (line.len > 3 && line.p[3] == '-');
}

/* In one piece, or in random ones. */
static void send_group(struct stream *io)
{
	struct str rest = buf_str(&group.out);
	bool whole = throw(8) != 0;

	while (rest.len > 0) {
		struct str piece = whole ? rest :
					   str_first(rest, 1 + throw(20));

		rest = str_skip(rest, piece.len);
		io_write(io, piece);
		/* the server may have gone already, as it should */
		if (!io_flush(io, span_s(WAIT_S)))
			return;
		if (!whole)
			io_yield();
	}
}

static bool settle(struct stream *io)
{
	send_group(io);
	for (size_t i = 0; i < group.count; i++)
		read_reply(io, group.expected[i]);
	group.count = 0;
	buf_clear(&group.out);
	assert_int_equal(queue_model.taken, queue_model.expected);
	return !model.over;
}

static bool may_go_on(bool last)
{
	return !last && model.esmtp && !model.over &&
		group.count < GROUP_MOST;
}

static void walk_session(struct stream *io, unsigned long most)
{
	struct str line;

	model = (struct model){ 0 };
	client = io;
	expect_free(220);
	settle(io);
	while (!model.over && said < most) {
		while (may_go_on(say_one()) && throw(6))
			;
		settle(io);
	}
	if (model.over)
		assert_false(io_line(io, &line, span_s(WAIT_S)));
}

static void run_client(struct client *c, void *context)
{
	(void)context;
	session(server.conf, c);
}

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void walk(void *context)
{
	unsigned long most = number("POSTHORN_WALK", 20000), sessions = 0;

	(void)context;
	for (; said < most; sessions++) {
		auto_arena struct arena *arena = arena_new(0);
		struct stand stand;

		stand_begin(&stand, run_client, NULL);
		walk_session(stream_open(arena, stand.fd), most);
		io_close(stand.fd);
		stand.fd = -1;
		if (!stand_end(&stand))
			fail_msg("a session hangs");
	}
	printf("%lu commands, %lu sessions, %lu messages\n", said, sessions,
		queue_model.taken);
	io_stop();
}

static void agrees_with_the_model(void **state)
{
	static struct stand_queue queue = { .take = compare_message };
	static const char *const settings[] = {
		"mydestination=example.org", "relay_domains=",
		"local_recipient_maps=", "smtpd_peername_lookup=no",
		"smtpd_error_sleep_time=0", "message_size_limit=70000",
		"smtpd_recipient_limit=5", "smtpd_hard_error_limit=20",
		"smtpd_junk_command_limit=10", "mynetworks=127.0.0.0/8",
		"inet_interfaces=127.0.0.1",
		"smtpd_client_connection_count_limit=0",
		"smtpd_relay_restrictions=defer_unauth_destination",
		"smtpd_forbid_bare_newline=normalize", NULL,
	};

	(void)state;
	dice = number("POSTHORN_SEED", 1) * 0x9e3779b97f4a7c15;
	stand_open(&smtpd, conf_for_test(arena_new(0), settings));
	stand_queue_open(&queue);
	io_run(walk, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
