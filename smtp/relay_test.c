/*
 * Deliveries against scripted servers: a fake qmgr, resolver and dialer are
 * peers in this process, and each server is a fiber that follows its script.
 */
#include "smtp/relay.h"

#include "base/test.h"
#include "dns/packet.h"
#include "io/fiber.h"
#include "io/packet.h"
#include "service/service.h"
#include "smtp/outgoing.h"
#include "smtp/pool.h"
#include "smtp/self.h"
#include "smtp/tables.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LINES_MOST = 40,
	RECIPIENTS_MOST = 4,
};

/*
 * Lines of a script: "S text" is sent, "C text" must begin the next line of
 * the client, "C." takes lines to the final dot, "X" closes, "H" says nothing
 * more and waits for the client's end.
 */
struct server {
	const char *endpoint; /* NULL: end of the list */
	int error;            /* of connect */
	const char *lines[LINES_MOST];
};

struct expected {
	unsigned code, subject, detail;
	const char *text; /* a part of it */
};

struct trial_case {
	const char *name, *nexthop;
	const char *encoding, *content;
	unsigned flags, recipients, messages;
	struct server servers[4];
	struct expected expected[RECIPIENTS_MOST];
};

static struct conf conf;
static struct settings set;

static struct world {
	const struct trial_case *c;
	struct peer *dialer, *resolver, *smtp;
	unsigned dials;
	char problem[256]; /* what a server saw that was not in its script */
	char seen[4096];   /* lines that the last server took as content */
	struct msg_delivered got[RECIPIENTS_MOST];
	char texts[RECIPIENTS_MOST][512];
	size_t got_count;
} world;

/* ---- stand-ins for lib/service and the tables ---- */

struct str service_row(void)
{
	return STR("smtp");
}

void service_replace(void)
{
}

bool service_is_retiring(void)
{
	return false;
}

bool service_is_alone(void)
{
	return false;
}

struct call *service_call(struct arena *arena, const char *service,
	struct span timeout)
{
	(void)timeout;
	return peer_call(strcmp(service, "dialer") == 0 ? world.dialer :
							  world.resolver,
		arena);
}

bool tables_has(enum table_use use)
{
	(void)use;
	return false;
}

bool tables_debugs(struct arena *arena, struct str host, struct str address)
{
	(void)arena, (void)host, (void)address;
	return false;
}

enum table_result tables_find(struct arena *arena, enum table_use use,
	struct str key, struct str *value)
{
	(void)arena, (void)use, (void)key, (void)value;
	return TABLE_NOTHING;
}

/* ---- servers ---- */

struct connection {
	int fd;
	const struct server *server;
};

static void complain(const char *what, const char *wanted, struct str line)
{
	if (world.problem[0] == 0)
		snprintf(world.problem, sizeof(world.problem),
			"%s: %s; wanted \"%s\", got \"%.*s\"", world.c->name,
			what, wanted, STR_ARG(line));
}

static void take_content(struct stream *io)
{
	struct str line;
	size_t len = 0;

	while (io_line(io, &line, span_s(5)) && !str_is(line, ".")) {
		if (len + line.len + 2 < sizeof(world.seen))
			len += (size_t)snprintf(world.seen + len,
				sizeof(world.seen) - len, "%.*s\n",
				STR_ARG(line));
	}
}

static void follow(struct stream *io, const char *const *lines)
{
	struct str line = STR_NONE;

	for (; *lines; lines++) {
		switch (lines[0][0]) {
		case 'S':
			io_fmt(io, "%s\r\n", *lines + 2);
			break;
		case 'X':
			io_flush(io, span_s(5));
			return;
		case 'H':
			while (io_line(io, &line, span_s(5)))
				;
			return;
		default:
			if (strcmp(*lines, "C.") == 0)
				take_content(io);
			else if (!io_line(io, &line, span_s(5)))
				complain("end", *lines + 2, STR("nothing"));
			else if (!str_starts(line, str_from(*lines + 2)))
				complain("line", *lines + 2, line);
		}
	}
	io_flush(io, span_s(5));
	if (io_line(io, &line, span_s(5)) && !str_is(line, "QUIT"))
		complain("after the script", "QUIT", line);
}

static void serve_connection(void *context)
{
	struct connection *c = context;
	auto_arena struct arena *arena = arena_new(0);

	follow(stream_open(arena, c->fd), c->server->lines);
	base_free(&c);
}

static void serve_dial(struct call *call, void *context)
{
	struct msg_dialed answer = { .socket = -1, .text = STR("") };
	const struct server *server = world.c->servers;
	struct connection *c;
	struct msg_dial m;
	int pair[2];

	(void)context;
	if (!msg_dial_recv(call, &m, span_s(5)))
		return;
	while (server->endpoint && !str_is(m.endpoint, server->endpoint))
		server++;
	world.dials++;
	if (!server->endpoint || server->error) {
		answer.status = server->error ? (unsigned)server->error :
						ECONNREFUSED;
		answer.text = STR("Connection refused");
		(void)!msg_dialed_send(call, &answer);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	c = mem_new(1, sizeof(*c));
	*c = (struct connection){ .fd = pair[1], .server = server };
	io_spawn("server", serve_connection, c);
	answer.socket = pair[0];
	(void)!msg_dialed_send(call, &answer);
	close(pair[0]);
}

/* ---- names ---- */

static const struct {
	const char *name;
	enum dns_type type;
	struct str record;
} records[] = {
	{ "example.org", DNS_MX, STR("\0\12\3mx1\7example\3org\0") },
	{ "example.org", DNS_MX, STR("\0\24\3mx2\7example\3org\0") },
	{ "mx1.example.org", DNS_A, STR("\300\0\2\1") },
	{ "mx2.example.org", DNS_A, STR("\300\0\2\2") },
	{ "null.example", DNS_MX, STR("\0\0\0") },
	{ "loop.example", DNS_MX, STR("\0\12\2me\7example\0") },
	{ "backup.example", DNS_MX, STR("\0\5\4sick\7example\0") },
	{ "backup.example", DNS_MX, STR("\0\12\2me\7example\0") },
	{ "left.example", DNS_MX, STR("\0\5\4none\7example\0") },
	{ "left.example", DNS_MX, STR("\0\12\2me\7example\0") },
	{ "equal.example", DNS_MX, STR("\0\12\4none\7example\0") },
	{ "equal.example", DNS_MX, STR("\0\12\2me\7example\0") },
	{ "me.example", DNS_A, STR("\300\0\2\143") },
	{ "implicit.example", DNS_A, STR("\300\0\2\3") },
	{ "many.example", DNS_A, STR("\300\0\2\1") },
	{ "many.example", DNS_A, STR("\300\0\2\2") },
	{ "many.example", DNS_A, STR("\300\0\2\4") },
	{ "many.example", DNS_A, STR("\300\0\2\5") },
	{ "many.example", DNS_A, STR("\300\0\2\6") },
	{ "many.example", DNS_A, STR("\300\0\2\7") },
};

static void serve_query(struct call *call, void *context)
{
	struct msg_dns_answer answer = { .status = DNS_NO_NAME,
		.text = STR("Host not found"), .canonical = STR("") };
	struct str found[COUNT(records)];
	struct msg_dns_query m;

	(void)context;
	if (!msg_dns_query_recv(call, &m, span_s(5)))
		return;
	answer.records.items = found;
	for (size_t i = 0; i < COUNT(records); i++) {
		if (!str_is(m.name, records[i].name))
			continue;
		if (answer.status == DNS_NO_NAME)
			answer.status = DNS_NO_DATA;
		if (records[i].type != m.type)
			continue;
		answer.status = DNS_FOUND;
		found[answer.records.count++] = records[i].record;
	}
	if (str_is(m.name, "sick.example"))
		answer.status = DNS_TEMPORARY;
	(void)!msg_dns_answer_send(call, &answer);
}

/* ---- qmgr ---- */

static void serve_delivery(struct call *call, void *context)
{
	(void)context;
	deliver_serve(&conf, call, relay_deliver);
}

static struct peer *peer_with(const char *name,
	void (*serve)(struct call *call, void *context))
{
	int pair[2];

	if (!packet_pair(pair))
		abort();
	peer_open(pair[1], str_from(name), serve, NULL);
	return peer_open(pair[0], str_from(name), NULL, NULL);
}

static void keep_result(const struct msg_delivered *m)
{
	if (m->number >= RECIPIENTS_MOST)
		abort();
	world.got[m->number] = *m;
	snprintf(world.texts[m->number], sizeof(world.texts[0]), "%.*s",
		STR_ARG(m->text));
	world.got_count++;
}

static bool order(struct call *call, const struct trial_case *c)
{
	const char *content = c->content ? c->content :
					   "Subject: x\n\n.dot\nend\n";
	struct msg_deliver m = {
		.queue_id = STR("ABC"),
		.nexthop = str_from(c->nexthop),
		.sender = STR("a@example.com"),
		.encoding = str_from(c->encoding ? c->encoding : "7bit"),
		.flags = c->flags,
		.size = strlen(content),
		.content = str_from(content),
	};
	struct msg_deliver_go go = { .large = -1 };

	if (!msg_deliver_send(call, &m))
		return false;
	for (unsigned i = 0; i < c->recipients; i++) {
		char address[32];
		struct msg_deliver_recipient r = { .number = i };

		snprintf(address, sizeof(address), "r%u@example.org", i);
		r.address = r.orig = str_from(address);
		if (!msg_deliver_recipient_send(call, &r))
			return false;
	}
	return msg_deliver_go_send(call, &go);
}

static void deliver_one(const struct trial_case *c)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = peer_call(world.smtp, arena);
	struct msg_deliver_done done;
	struct msg_delivered m;

	if (!order(call, c))
		abort();
	for (unsigned i = 0; i < c->recipients; i++)
		if (msg_delivered_recv(call, &m, span_s(10)))
			keep_result(&m);
	if (!msg_deliver_done_recv(call, &done, span_s(10)) || !done.settled)
		complain("no end", "deliver_done", STR(""));
}

static void play(void *context)
{
	const struct trial_case *c = context;

	world = (struct world){ .c = c };
	world.dialer = peer_with("dialer", serve_dial);
	world.resolver = peer_with("resolver", serve_query);
	world.smtp = peer_with("smtp", serve_delivery);
	for (unsigned i = 0; i < (c->messages ? c->messages : 1); i++)
		deliver_one(c);
	pool_end_all();
	io_stop();
}

static void set_up(void)
{
	conf = (struct conf){ .myhostname = STR("me.example"),
		.connection_cache_ttl_limit = span_s(2),
		.inet_protocols = STR("ipv4"),
		.inet_interfaces = STR("192.0.2.99"),
		.delay_logging_resolution_limit = 2 };
	set = (struct settings){
		.conf = &conf,
		.helo_name = STR("me.example"),
		.address_preference = STR("any"),
		.tcp_port = STR("smtp"),
		.mx_address_limit = 5,
		.mx_session_limit = 2,
		.connect_timeout = span_s(5),
		.helo_timeout = span_ms(200),
		.mail_timeout = span_ms(200),
		.rcpt_timeout = span_ms(200),
		.data_init_timeout = span_ms(200),
		.data_xfer_timeout = span_ms(200),
		.data_done_timeout = span_ms(200),
		.rset_timeout = span_ms(200),
		.quit_timeout = span_ms(200),
		.starttls_timeout = span_ms(200),
		.connection_cache_on_demand = true,
		.connection_cache_time_limit = span_s(2),
		.skip_5xx_greeting = true,
		.skip_quit_response = true,
		.line_length_limit = 998,
	};
	self_prepare(&conf);
	outgoing_prepare(&set);
	relay_prepare(&set);
}

static void run_case(const struct trial_case *c)
{
	union { /* io_run takes no const */
		const struct trial_case *in;
		void *out;
	} context = { .in = c };

	set_up();
	set.is_lmtp = strncmp(c->name, "lmtp", 4) == 0;
	io_run(play, context.out);
	if (world.problem[0])
		fail_msg("%s", world.problem);
	for (unsigned i = 0; i < c->recipients; i++) {
		const struct expected *e = &c->expected[i];

		if (world.got[i].code != e->code ||
			world.got[i].subject != e->subject ||
			world.got[i].detail != e->detail ||
			!strstr(world.texts[i], e->text))
			fail_msg("%s, recipient %u: %u %u.%u %s", c->name, i,
				(unsigned)world.got[i].code,
				(unsigned)world.got[i].subject,
				(unsigned)world.got[i].detail, world.texts[i]);
	}
}

#define HERE "[192.0.2.1]"
#define AT_HERE "inet:192.0.2.1:25"
#define MX1 "inet:192.0.2.1:25"
#define MX2 "inet:192.0.2.2:25"
#define HELLO "S 220 mx.example ESMTP", "C EHLO me.example"
#define PLAIN_HELLO HELLO, "S 250 mx.example"
#define PIPELINED HELLO, "S 250-mx.example", "S 250-PIPELINING", "S 250 DSN"
#define MAIL_OK "C MAIL FROM:<a@example.com>", "S 250 2.1.0 Ok"
#define RCPT_OK(n) "C RCPT TO:<r" n "@example.org>", "S 250 2.1.5 Ok"
#define DATA_OK "C DATA", "S 354 go on", "C."
#define NOT_NOW PLAIN_HELLO, "C MAIL", "S 451 4.3.0 later"
#define TAKES_IT PLAIN_HELLO, MAIL_OK, RCPT_OK("0"), DATA_OK, "S 250 Ok"

static const struct trial_case cases[] = {
	/* clang-format off */
	{ "plain", HERE, .recipients = 1, .servers = { { AT_HERE, 0, {
		PLAIN_HELLO, MAIL_OK, RCPT_OK("0"), DATA_OK,
		"S 250 2.0.0 Ok: queued as X" } } },
	  .expected = { { 250, 0, 0, "250 2.0.0 Ok: queued as X" } } },
	{ "pipelined, two of three", HERE, .recipients = 3,
	  .servers = { { AT_HERE, 0, { PIPELINED,
		"C MAIL FROM", "C RCPT TO:<r0@", "C RCPT TO:<r1@",
		"C RCPT TO:<r2@", "C DATA", "S 250 Ok", "S 250 Ok",
		"S 550 5.1.1 no such user", "S 250 Ok", "S 354 go", "C.",
		"S 250 taken" } } },
	  .expected = { { 250, 0, 0, "250 taken" },
		{ 550, 1, 1, "host 192.0.2.1[192.0.2.1] said: 550 5.1.1 no "
			"such user (in reply to RCPT TO command)" },
		{ 250, 0, 0, "250 taken" } } },
	{ "pipelined, nobody, but DATA accepted", HERE, .recipients = 1,
	  .servers = { { AT_HERE, 0, { PIPELINED,
		"C MAIL FROM", "C RCPT TO", "C DATA", "S 250 Ok",
		"S 550 no", "S 354 go", "C .", "S 554 no valid recipients",
		"C RSET", "S 250 Ok" } } },
	  .expected = { { 550, 0, 0, "said: 550 no" } } },
	{ "MAIL refused", HERE, .recipients = 2, .servers = { { AT_HERE, 0, {
		PLAIN_HELLO, "C MAIL", "S 553 5.1.8 bad sender" } } },
	  .expected = { { 553, 1, 8, "(in reply to MAIL FROM command)" },
		{ 553, 1, 8, "(in reply to MAIL FROM command)" } } },
	{ "MAIL refused, pipelined", HERE, .recipients = 1,
	  .servers = { { AT_HERE, 0, { PIPELINED,
		"C MAIL", "C RCPT", "C DATA", "S 452 4.3.1 full",
		"S 503 mail first", "S 503 mail first" } } },
	  .expected = { { 452, 3, 1, "said: 452 4.3.1 full (in reply to MAIL "
			"FROM command)" } } },
	{ "end of DATA refused", HERE, .recipients = 1,
	  .servers = { { AT_HERE, 0, { PLAIN_HELLO, MAIL_OK, RCPT_OK("0"),
		DATA_OK, "S 554-5.7.1 spam", "S 554 5.7.1 really" } } },
	  .expected = { { 554, 7, 1, "554-5.7.1 spam 554 5.7.1 really (in "
			"reply to end of DATA command)" } } },
	{ "connection refused", HERE, .recipients = 1,
	  .servers = { { AT_HERE, ECONNREFUSED, { 0 } } },
	  .expected = { { 451, 4, 1, "connect to 192.0.2.1[192.0.2.1]:25: "
			"Connection refused" } } },
	{ "greeting 554", HERE, .recipients = 1, .servers = { { AT_HERE, 0, {
		"S 554 5.7.1 go away" } } },
	  .expected = { { 454, 7, 1, "refused to talk to me: 554 5.7.1 go "
			"away" } } },
	{ "no greeting", HERE, .recipients = 1, .servers = { { AT_HERE, 0, {
		"H" } } },
	  .expected = { { 451, 4, 2, "conversation with 192.0.2.1[192.0.2.1] "
			"timed out while receiving the initial server "
			"greeting" } } },
	{ "dropped at the greeting", HERE, .recipients = 1,
	  .servers = { { AT_HERE, 0, { "X" } } },
	  .expected = { { 451, 4, 2, "lost connection with "
			"192.0.2.1[192.0.2.1] while receiving the initial "
			"server greeting" } } },
	{ "nonsense", HERE, .recipients = 1, .servers = { { AT_HERE, 0, {
		"S HTTP/1.1 400 Bad Request", "H" } } },
	  .expected = { { 451, 5, 0, "protocol error" } } },
	{ "HELO", HERE, .recipients = 1, .servers = { { AT_HERE, 0, {
		HELLO, "S 500 what?", "C HELO me.example", "S 250 mx",
		MAIL_OK, RCPT_OK("0"), DATA_OK, "S 250 Ok" } } },
	  .expected = { { 250, 0, 0, "250 Ok" } } },
	{ "dropped at RCPT", HERE, .recipients = 1,
	  .servers = { { AT_HERE, 0, { PLAIN_HELLO, MAIL_OK, "C RCPT",
		"X" } } },
	  .expected = { { 451, 4, 2, "while sending RCPT TO" } } },
	{ "hanging at DATA", HERE, .recipients = 1,
	  .servers = { { AT_HERE, 0, { PLAIN_HELLO, MAIL_OK, RCPT_OK("0"),
		"H" } } },
	  .expected = { { 451, 4, 2, "timed out while sending DATA "
			"command" } } },
	{ "hanging at the end", HERE, .recipients = 1,
	  .servers = { { AT_HERE, 0, { PLAIN_HELLO, MAIL_OK, RCPT_OK("0"),
		DATA_OK, "H" } } },
	  .expected = { { 451, 4, 2, "timed out while sending end of data -- "
			"message may be sent more than once" } } },
	{ "421 at RCPT", HERE, .recipients = 1, .servers = { { AT_HERE, 0, {
		PLAIN_HELLO, MAIL_OK, "C RCPT", "S 421 4.3.2 closing", "X" } } },
	  .expected = { { 421, 3, 2, "said: 421 4.3.2 closing" } } },
	{ "first MX dead, second takes it", "example.org", .recipients = 1,
	  .servers = { { MX1, ECONNREFUSED, { 0 } },
		{ MX2, 0, { PLAIN_HELLO, MAIL_OK, RCPT_OK("0"), DATA_OK,
		"S 250 Ok" } } },
	  .expected = { { 250, 0, 0, "250 Ok" } } },
	{ "first MX says 450, second takes it", "example.org",
	  .recipients = 2, .servers = {
		{ MX1, 0, { PLAIN_HELLO, MAIL_OK, RCPT_OK("0"),
		"C RCPT TO:<r1@", "S 450 4.2.0 later", DATA_OK, "S 250 One" } },
		{ MX2, 0, { PLAIN_HELLO, MAIL_OK, RCPT_OK("1"), DATA_OK,
		"S 250 Two" } } },
	  .expected = { { 250, 0, 0, "250 One" }, { 250, 0, 0, "250 Two" } } },
	{ "both MX hang, two sessions at most", "example.org",
	  .recipients = 1, .servers = { { MX1, 0, { "H" } },
		{ MX2, 0, { "S 421 busy" } } },
	  .expected = { { 421, 0, 0, "refused to talk to me: 421 busy" } } },
	/* limit: smtp_mx_session_limit, here 2 */
	{ "the second session is made", "many.example", .recipients = 1,
	  .servers = { { MX1, 0, { NOT_NOW } }, { MX2, 0, { TAKES_IT } } },
	  .expected = { { 250, 0, 0, "250 Ok" } } },
	{ "the third session is not", "many.example", .recipients = 1,
	  .servers = { { MX1, 0, { NOT_NOW } }, { MX2, 0, { NOT_NOW } },
		{ "inet:192.0.2.4:25", 0, { TAKES_IT } } },
	  .expected = { { 451, 3, 0, "said: 451 4.3.0 later" } } },
	/* limit: smtp_mx_address_limit, here 5; nobody else is at home */
	{ "the fifth address is tried", "many.example", .recipients = 1,
	  .servers = { { "inet:192.0.2.6:25", 0, { TAKES_IT } } },
	  .expected = { { 250, 0, 0, "250 Ok" } } },
	{ "the sixth address is not", "many.example", .recipients = 1,
	  .servers = { { "inet:192.0.2.7:25", 0, { TAKES_IT } } },
	  .expected = { { 451, 4, 1, "Connection refused" } } },
	{ "null MX", "null.example", .recipients = 1,
	  .expected = { { 556, 1, 0, "does not accept mail (nullMX)" } } },
	{ "best MX is me", "loop.example", .recipients = 1,
	  .expected = { { 550, 4, 6, "mail for loop.example loops back to "
			"myself" } } },
	/* a better one is there, and cannot be found just now */
	{ "best MX in trouble, second is me", "backup.example",
	  .recipients = 1,
	  .expected = { { 450, 4, 3, "name=sick.example type=A" } } },
	{ "best MX without address, second is me", "left.example",
	  .recipients = 1,
	  .expected = { { 450, 4, 4, "unable to find primary relay for "
			"left.example" } } },
	{ "another best MX without address", "equal.example",
	  .recipients = 1,
	  .expected = { { 550, 4, 6, "loops back to myself" } } },
	{ "no such domain", "nowhere.example", .recipients = 1,
	  .expected = { { 550, 4, 4, "Host or domain name not found. Name "
			"service error for name=nowhere.example type=MX: Host "
			"not found" } } },
	{ "resolver in trouble", "sick.example", .recipients = 1,
	  .expected = { { 450, 4, 3, "type=MX: Host not found, try "
			"again" } } },
	{ "implicit MX", "implicit.example", .recipients = 1,
	  .servers = { { "inet:192.0.2.3:25", 0, { PLAIN_HELLO, MAIL_OK,
		RCPT_OK("0"), DATA_OK, "S 250 Ok" } } },
	  .expected = { { 250, 0, 0, "250 Ok" } } },
	{ "port", "[192.0.2.1]:2525", .recipients = 1,
	  .servers = { { "inet:192.0.2.1:2525", 0, { PLAIN_HELLO, MAIL_OK,
		RCPT_OK("0"), DATA_OK, "S 250 Ok" } } },
	  .expected = { { 250, 0, 0, "250 Ok" } } },
	{ "size limit", HERE, .recipients = 1, .servers = { { AT_HERE, 0, {
		HELLO, "S 250-mx", "S 250 SIZE 5" } } },
	  .expected = { { 552, 3, 4, "exceeds size limit 5 of server" } } },
	{ "8bit offered", HERE, .recipients = 1, .encoding = "8bit",
	  .servers = { { AT_HERE, 0, { HELLO, "S 250-mx", "S 250-SIZE",
		"S 250 8BITMIME",
		"C MAIL FROM:<a@example.com> SIZE=21 BODY=8BITMIME",
		"S 250 Ok", RCPT_OK("0"), DATA_OK, "S 250 Ok" } } },
	  .expected = { { 250, 0, 0, "250 Ok" } } },
	{ "SMTPUTF8 not offered", HERE, .recipients = 1,
	  .flags = DELIVER_SMTPUTF8, .servers = { { AT_HERE, 0, {
		PLAIN_HELLO } } },
	  .expected = { { 553, 6, 7, "SMTPUTF8 is required" } } },
	{ "probe", HERE, .recipients = 2, .flags = DELIVER_VERIFY,
	  .servers = { { AT_HERE, 0, { PLAIN_HELLO, MAIL_OK, RCPT_OK("0"),
		"C RCPT", "S 550 5.1.1 no", "C RSET", "S 250 Ok" } } },
	  .expected = { { 250, 1, 5, "250 2.1.5 Ok" },
		{ 550, 1, 1, "5.1.1 no" } } },
	{ "kept connection", HERE, .recipients = 1, .messages = 3,
	  .flags = DELIVER_MORE, .servers = { { AT_HERE, 0, { PLAIN_HELLO,
		MAIL_OK, RCPT_OK("0"), DATA_OK, "S 250 One",
		MAIL_OK, RCPT_OK("0"), DATA_OK, "S 250 Two",
		MAIL_OK, RCPT_OK("0"), DATA_OK, "S 250 Three" } } },
	  .expected = { { 250, 0, 0, "250 Three" } } },
	{ "lmtp, one answer each", "inet:192.0.2.1", .recipients = 3,
	  .servers = { { AT_HERE, 0, { "S 220 box LMTP", "C LHLO me.example",
		"S 250-box", "S 250 PIPELINING", "C MAIL", "C RCPT", "C RCPT",
		"C RCPT", "C DATA", "S 250 Ok", "S 250 Ok", "S 550 5.1.1 no",
		"S 250 Ok", "S 354 go", "C.", "S 250 2.0.0 one",
		"S 452 4.2.2 full" } } },
	  .expected = { { 250, 0, 0, "2.0.0 one" }, { 550, 1, 1, "no" },
		{ 452, 2, 2, "4.2.2 full (in reply to end of DATA" } } },
	{ "lmtp, by path", "unix:/run/box", .recipients = 1,
	  .servers = { { "unix:/run/box", 0, { "S 220 box", "C LHLO",
		"S 250 box", MAIL_OK, RCPT_OK("0"), DATA_OK,
		"S 250 2.1.5 in" } } },
	  .expected = { { 250, 1, 5, "250 2.1.5 in" } } },
	/* clang-format on */
};

static void delivers_or_says_why_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		run_case(&cases[i]);
}

static const struct trial_case *find_case(const char *name)
{
	for (size_t i = 0; i < COUNT(cases); i++)
		if (strcmp(cases[i].name, name) == 0)
			return &cases[i];
	abort();
}

static void keeps_connections(void **state)
{
	(void)state;
	run_case(find_case("kept connection"));
	assert_int_equal(world.dials, 1);
	assert_int_equal(world.got_count, 3);
}

static void doubles_dots(void **state)
{
	(void)state;
	run_case(find_case("plain"));
	assert_string_equal(world.seen, "Subject: x\n\n..dot\nend\n");
}

static void makes_7bit(void **state)
{
	static const struct trial_case c = {
		"8bit not offered", HERE, .recipients = 1, .encoding = "8bit",
		.content = "MIME-Version: 1.0\nContent-Type: text/plain; "
			   "charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
			   "\ncaf\303\251\n",
		.servers = { { AT_HERE, 0, { PLAIN_HELLO, MAIL_OK,
			RCPT_OK("0"), DATA_OK, "S 250 Ok" } } },
		.expected = { { 250, 0, 0, "250 Ok" } },
	};

	(void)state;
	run_case(&c);
	assert_non_null(strstr(world.seen,
		"Content-Transfer-Encoding: quoted-printable\n"));
	assert_non_null(strstr(world.seen, "\ncaf=C3=A9\n"));
	assert_null(strstr(world.seen, "8bit"));
}

/* A session whose server has gone in the meantime is no reason to defer. */
static void notices_stale_sessions(void **state)
{
	static const struct trial_case c = {
		"stale", HERE, .recipients = 1, .messages = 2,
		.flags = DELIVER_MORE,
		.servers = { { AT_HERE, 0, { PLAIN_HELLO, MAIL_OK,
			RCPT_OK("0"), DATA_OK, "S 250 Ok", "X" } } },
		.expected = { { 250, 0, 0, "250 Ok" } },
	};

	(void)state;
	run_case(&c);
	assert_int_equal(world.dials, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers_or_says_why_not),
		cmocka_unit_test(keeps_connections),
		cmocka_unit_test(doubles_dots),
		cmocka_unit_test(makes_7bit),
		cmocka_unit_test(notices_stale_sessions),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
