/*
 * Whole deliveries to a hostile server. The first octet of the script: bit 0
 * LMTP, bit 1 TLS is demanded, bit 2 three recipients; bit 3 long lines, NULs
 * and bare CRs in the content, bit 4 there is an account. Each connection gets
 * the same script.
 */
#define main smtp_main /* libFuzzer brings its own */
int smtp_main(int argc, char **argv);
#include "smtp/smtp.c"
#undef main

#include "io/packet.h"
#include "service/stand.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);
const char *__lsan_default_suppressions(void);

/* What a process has for good, nobody need remember. */
const char *__lsan_default_suppressions(void)
{
	return "leak:prepare";
}

enum {
	IS_LMTP = 1,
	DEMANDS_TLS = 2,
	MANY = 4,
	ODD_CONTENT = 8,
	HAS_ACCOUNT = 16,
	CONNECTIONS_MOST = 3,
	HANG_S = 20,
};

static const struct conf *conf;

static struct {
	struct str script;
	unsigned flags;
	unsigned connections, open;
	unsigned code, subject, detail; /* reported last */
	size_t behind; /* octets that came in the clear behind STARTTLS */
	struct io_event closed;
	struct peer *agent; /* our end */
} world;

static void die(const char *what)
{
	panic("%s", what);
}

/* How much came behind the command. */
static size_t behind_starttls(struct str plain)
{
	size_t at = str_find(plain, STR("STARTTLS\r\n"));

	return at == SIZE_MAX ? 0 : plain.len - at - 10;
}

/* No bare CR or LF on the wire; no mail in the clear where TLS is a must. */
static void look_at_wire(struct str wire, bool is_plain)
{
	for (size_t i = 0; i < wire.len; i++) {
		if (wire.p[i] == '\r' &&
			(i + 1 == wire.len || wire.p[i + 1] != '\n'))
			die(i + 1 == wire.len ? "half a line end" : "bare CR");
		if (wire.p[i] == '\n' && (i == 0 || wire.p[i - 1] != '\r'))
			die("bare LF");
	}
	if (is_plain && (world.flags & DEMANDS_TLS) &&
		memmem(wire.p ? wire.p : "", wire.len, "MAIL FROM", 9))
		die("mail in the clear, though TLS was demanded");
}

static void be_server(void *context)
{
	int fd = (int)(intptr_t)context;
	auto_buf struct buf plain = { 0 }, inside = { 0 };

	stand_play(fd, world.script, true, &plain, &inside);
	io_close(fd);
	world.behind += behind_starttls(buf_str(&plain));
	look_at_wire(buf_str(&inside), false);
	/* Plaintext before TLS ends with STARTTLS; the ClientHello is not
	 * taken here unless the script forgot it. */
	if (!memmem(plain.p ? plain.p : "", plain.len, "STARTTLS\r\n", 10))
		look_at_wire(buf_str(&plain), true);
	else if (memmem(plain.p, plain.len, "MAIL FROM", 9) &&
		(world.flags & DEMANDS_TLS))
		die("mail in the clear after STARTTLS");
	world.open--;
	io_event_wake_all(&world.closed);
}

static void serve_dial(struct call *call, void *context)
{
	struct msg_dialed answer = { .socket = -1, .text = STR("refused") };
	struct msg_dial m;
	int pair[2];

	(void)context;
	if (!msg_dial_recv(call, &m, span_s(HANG_S)))
		return;
	if (world.connections == CONNECTIONS_MOST) {
		answer.status = ECONNREFUSED;
		(void)!msg_dialed_send(call, &answer);
		return;
	}
	world.connections++;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		    pair) < 0)
		die("socketpair");
	io_fresh(pair[1]);
	world.open++;
	io_spawn("server", be_server, (void *)(intptr_t)pair[1]);
	answer.socket = pair[0];
	(void)!msg_dialed_send(call, &answer);
	close(pair[0]);
}

static void serve_agent(struct call *call, void *context)
{
	(void)context;
	smtp.serve(conf, call);
}

static void open_once(void)
{
	static const char *const settings_text[] = {
		"smtp_tls_security_level=may", "smtp_helo_timeout=2",
		"smtp_mail_timeout=2", "smtp_rcpt_timeout=2",
		"smtp_data_init_timeout=2", "smtp_data_xfer_timeout=2",
		"smtp_data_done_timeout=2", "smtp_quit_timeout=2",
		"smtp_starttls_timeout=2", "smtp_rset_timeout=2",
		"inet_interfaces=127.0.0.1", "smtp_sasl_auth_enable=yes",
		"smtp_sasl_password_maps=static:{joe:secret}",
		"smtp_sasl_security_options=noanonymous", NULL,
	};
	int pair[2];

	if (conf)
		return;
	conf = conf_for_test(arena_new(0), settings_text);
	stand_open(&smtp, conf);
	stand_peer("dialer", serve_dial, NULL);
	io_event_init(&world.closed);
	if (!packet_pair(pair))
		die("socketpair");
	peer_open(pair[1], STR("qmgr"), serve_agent, NULL);
	world.agent = peer_open(pair[0], STR("smtp"), NULL, NULL);
}

static bool order(struct call *call, uint64_t recipients)
{
	static const char odd[] = "Subject: x\n\n.\n..\na\rb\r\n.\r\n\0z\n";
	static const char plain[] = "Subject: x\n\n.dot\nend\n";
	struct msg_deliver_go go = { .large = -1 };
	struct msg_deliver m = {
		.queue_id = STR("ABC"), .nexthop = STR("[192.0.2.1]"),
		.sender = STR("a@example.com"), .encoding = STR("8bit"),
		.dsn_envid = STR_NONE,
	};

	m.content = world.flags & ODD_CONTENT ?
		str_of(odd, sizeof(odd) - 1) : str_from(plain);
	m.size = m.content.len;
	if (!msg_deliver_send(call, &m))
		return false;
	for (uint64_t i = 0; i < recipients; i++) {
		struct msg_deliver_recipient r = { .number = i,
			.address = STR("b@example.org"),
			.orig = STR("b@example.org"), .orcpt = STR_NONE };

		if (!msg_deliver_recipient_send(call, &r))
			return false;
	}
	return msg_deliver_go_send(call, &go);
}

/* Each recipient is reported once. */
static void deliver(void)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = peer_call(world.agent, arena);
	uint64_t recipients = world.flags & MANY ? 3 : 1, seen = 0;
	struct msg_deliver_done done;
	struct msg_delivered m;

	if (!order(call, recipients))
		die("the order does not arrive");
	for (uint64_t i = 0; i < recipients; i++) {
		if (!msg_delivered_recv(call, &m, span_s(HANG_S)))
			die("a recipient is not reported");
		if (m.number >= recipients || (seen & 1 << m.number))
			die("a recipient is reported twice");
		seen |= 1U << m.number;
		if (m.code < 200 || m.code > 599)
			die("a status that is none");
		world.code = (unsigned)m.code;
		world.subject = (unsigned)m.subject;
		world.detail = (unsigned)m.detail;
	}
	if (!msg_deliver_done_recv(call, &done, span_s(HANG_S)))
		die("the delivery does not end");
}

static void run(void *context)
{
	(void)context;
	deliver();
	pool_end_all();
	while (world.open > 0)
		if (!io_event_wait(&world.closed, span_s(HANG_S)))
			die("a connection stays");
	io_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	if (len == 0)
		return 0;
	open_once();
	world.script = str_of(octets + 1, len - 1);
	world.flags = octets[0];
	world.connections = 0;
	world.behind = 0;
	settings.is_lmtp = world.flags & IS_LMTP;
	settings.sasl_auth_enable = world.flags & HAS_ACCOUNT;
	settings.tls_security_level = world.flags & DEMANDS_TLS ?
		STR("encrypt") : STR("may");
	io_run(run, NULL);
	return 0;
}
