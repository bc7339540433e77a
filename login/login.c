/*
 * login - IMAP and POP3 before authentication, and TLS for their whole life.
 *
 * Room       a fiber per client; user posthorn-login, empty root; opens nothing
 * Gets       clients, by accept() on inherited sockets
 * Calls      auth: who is it; it passes the connection of who is accepted on,
 *            to the parent of imapd or pop3d
 * RFC        3501, 4959, 5530, 7888, 8314; 1939, 2449, 2595, 3206, 5034
 */
#include "session.h"

#include <errno.h>

#include "base/log.h"
#include "maps/maps.h"

static const enum param params[] = {
	login_disable_plaintext_auth, login_service, login_timeout,
	login_tls_cert_file, login_tls_key_file, pop3_language,
	pop3_login_delay, PARAMS_END
};

static const struct offering {
	const char *name;
	unsigned port;
	const struct protocol *protocol;
	bool is_wrapped; /* TLS from the first octet on */
} offerings[] = {
	{ "imap", 143, &imap, false },
	{ "imaps", 993, &imap, true },
	{ "pop3", 110, &pop3, false },
	{ "pop3s", 995, &pop3, true },
};

static const struct offering *offering_named(struct str name)
{
	for (size_t i = 0; i < COUNT(offerings); i++)
		if (str_is(name, offerings[i].name))
			return &offerings[i];
	return NULL;
}

/* By login_service, else the row's name ("imaps", "192.0.2.1:993"). */
static const struct offering *find_offering(const struct conf *conf)
{
	struct str name = service_row();
	size_t colon = str_rfind_char(name, ':');
	uint64_t port;

	if (conf->login_service.len > 0)
		return offering_named(conf->login_service);
	name = colon == SIZE_MAX ? name : str_skip(name, colon + 1);
	for (size_t i = 0; i < COUNT(offerings); i++)
		if (str_parse_u64(name, UINT16_MAX, &port) &&
			port == offerings[i].port)
			return &offerings[i];
	return offering_named(name);
}

static void prepare(const struct conf *conf)
{
	const struct offering *offering = find_offering(conf);

	if (!offering)
		log_fatal("what is the service \"%.*s\"? Add -o login_service="
			"imap, imaps, pop3 or pop3s to its row of master.cf",
			STR_ARG(conf->login_service.len > 0 ?
				conf->login_service : service_row()));
	server_prepare(conf);
	if (offering->is_wrapped && !server_has_tls())
		log_warning("%s needs login_tls_cert_file: clients are turned "
			"away", offering->name);
}

static void find_addresses(struct session *s)
{
	struct network network;
	struct buf rip = BUF_IN(s->arena), lip = BUF_IN(s->arena);
	const struct client *client = s->client;
	static const uint8_t one_v6[16] = { [15] = 1 };

	s->is_loopback = client->is_unix;
	if (!client->is_unix && network_from((const struct sockaddr *)
			&client->address, &network)) {
		network_format_address(&rip, &network);
		s->is_loopback = network.v6 ?
			memcmp(network.octets, one_v6, 16) == 0 :
			network.octets[0] == 127;
	}
	if (!client->is_unix && network_from((const struct sockaddr *)
			&client->server_address, &network))
		network_format_address(&lip, &network);
	s->rip = buf_str(&rip);
	s->lip = buf_str(&lip);
}

static void say_goodbye(struct session *s, const char *text)
{
	stream_deadline(s->io, MOMENT_NEVER);
	io_text(s->io, text);
	if (!io_flush(s->io, span_s(WRITE_S)))
		log_debug("goodbye: %m");
}

/* False: no line came. */
static bool next_line(struct session *s, struct str *line)
{
	if (io_line(s->io, line, s->conf->login_timeout))
		return true;
	if (errno == ETIMEDOUT) {
		s->end = "Inactivity";
		say_goodbye(s, s->protocol->timeout);
	} else if (errno == ECANCELED) {
		io_uncancel();
		say_goodbye(s, s->protocol->timeout);
	} else if (errno == EMSGSIZE) {
		s->end = "Too long a line";
		say_goodbye(s, s->protocol->too_many);
	}
	return false;
}

/* Whoever on the way to the user's process died with it, or has it still: it
 * ends for all who have it. */
static void end_lost(struct session *s)
{
	s->end = "Connection lost on its way";
	stream_deadline(s->io, MOMENT_NEVER);
	io_text(s->io, s->protocol->lost);
	if (!io_shutdown(s->io, span_s(WRITE_S)))
		log_debug("goodbye: %m");
}

static void converse(struct session *s)
{
	struct str line;

	s->protocol->greet(s);
	while (!s->is_gone && next_line(s, &line)) {
		s->protocol->run_line(s, line);
		if (s->is_gone || s->attempts < ATTEMPTS_MOST)
			continue;
		say_goodbye(s, s->protocol->too_many);
		break;
	}
	if (s->is_lost)
		end_lost(s);
	else if (!s->is_passed && !io_flush(s->io, span_s(WRITE_S)))
		log_debug("last answer: %m");
}

static void session(const struct conf *conf, struct client *client)
{
	const struct offering *offering = find_offering(conf);
	struct session s = {
		.conf = conf, .client = client, .io = client->io,
		.arena = client->arena, .protocol = offering->protocol,
		.since = moment_now(), .user = STR(""), .method = STR(""),
		.pop3 = { .user = STR_NONE },
	};

	find_addresses(&s);
	stream_line_limit(s.io, LINE_MOST);
	stream_wait_first(s.io);
	stream_write_timeout(s.io, span_s(WRITE_S));
	stream_deadline(s.io, moment_after(conf->login_timeout));
	if (!offering->is_wrapped || server_tls(&s))
		converse(&s);
	report_end(&s);
}

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static const struct service login = {
	.name = "login",
	.log_tag = "dovecot",
	.fibers = 1000,
	.profile = PROFILE_LOGIN,
	.calls = "auth",
	.params = params,
	.prepare = prepare,
	.start = start,
	.session = session,
	.ticket_keys = server_ticket_keys,
};

int main(int argc, char **argv)
{
	return service_main(&login, argc, argv);
}
