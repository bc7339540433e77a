/*
 * lmtpd - takes mail over LMTP and answers when it lies in the mailboxes.
 *
 * Room       a fiber per client; user posthorn-in, empty root; opens nothing
 * Gets       clients, by accept() on inherited sockets: through a path, or
 *            from addresses in mynetworks
 * Calls      virtual, bounce (reports of success), proxymap
 * RFC        2033, 5321, 1870, 2034, 2920, 3030, 3207, 3461, 6152, 6531
 */
#include "lmtpd/session.h"

#include <errno.h>

#include "base/log.h"
#include "dns/dns.h"
#include "mail/date.h"
#include "smtp/command.h"

struct server server;

static const enum param params[] = { mail_name, message_size_limit,
	mynetworks, myhostname, myorigin, smtpd_authorized_xclient_hosts,
	smtpd_hard_error_limit, smtpd_recipient_limit, smtpd_starttls_timeout,
	smtpd_timeout, smtpd_tls_loglevel, smtpd_tls_req_ccert,
	smtpd_tls_security_level, smtpd_tls_wrappermode, smtputf8_enable,
	strict_rfc821_envelopes, strict_smtputf8, PARAMS_END };

enum {
	PLAIN = 1, /* may come before TLS where TLS is required */
};

#define OUT_OF_ORDER(text) { 503, 5, 1, { "" text, sizeof(text) - 1 } }

#define AFTER_BDAT(text) OUT_OF_ORDER("Error: " text " after BDAT")

static const struct verb {
	const char *name;
	struct status (*run)(struct session *s, struct str arguments);
	unsigned when, flags;
	struct status otherwise; /* at another stage */
	struct status in_chunks; /* instead, between chunks */
} verbs[] = {
	/* clang-format off */
	{ "LHLO",     verb_lhlo,     AT_ANY,              PLAIN },
	{ "STARTTLS", verb_starttls, AT_START | AT_IDLE,  PLAIN, OUT_OF_ORDER("Error: MAIL transaction in progress") },
	{ "XCLIENT",  verb_xclient,  AT_ANY,              0 },
	{ "MAIL",     verb_mail,     AT_IDLE,             0, OUT_OF_ORDER("Error: send LHLO first, one message at a time") },
	{ "RCPT",     verb_rcpt,     AT_MAIL,             0, OUT_OF_ORDER("Error: need MAIL command"), AFTER_BDAT("RCPT") },
	{ "DATA",     verb_data,     AT_MAIL,             0, OUT_OF_ORDER("Error: need RCPT command"), AFTER_BDAT("DATA") },
	{ "BDAT",     verb_bdat,     AT_ANY,              0 },
	{ "RSET",     verb_rset,     AT_ANY,              0 },
	{ "NOOP",     verb_noop,     AT_ANY,              PLAIN },
	{ "VRFY",     verb_vrfy,     AT_IDLE | AT_MAIL | AT_BDAT, 0, OUT_OF_ORDER("Error: send LHLO first") },
	{ "QUIT",     verb_quit,     AT_ANY,              PLAIN },
	/* clang-format on */
};

static void prepare(const struct conf *conf)
{
	struct arena *arena = server.arena = arena_new(0);

	server.networks = match_open(arena, conf, "mynetworks",
		conf->mynetworks);
	server.proxies = match_open(arena, conf,
		"smtpd_authorized_xclient_hosts",
		conf->smtpd_authorized_xclient_hosts);
	tls_server_open(arena, conf, &server.tls);
	mail_date_ready();
}

static void take_ticket_keys(struct str keys)
{
	tls_server_ticket_keys(&server.tls, keys);
}

bool may_start_tls(const struct session *s)
{
	return server.tls.context && !s->is_unix && !s->has_tls;
}

struct status greeting(const struct session *s)
{
	return status_f(s->home, 220, SMTP_NO_ENHANCED, SMTP_NO_ENHANCED,
		"%.*s LMTP %.*s", STR_ARG(s->conf->myhostname),
		STR_ARG(s->conf->mail_name));
}

void answer(struct session *s, struct status status)
{
	auto_buf struct buf out = { 0 };

	if (status.code == 0)
		return;
	if (status_class(status) >= 4)
		s->errors++;
	smtp_reply_format(&out, status, true);
	io_write(s->io, buf_str(&out));
	if (status.code == 421)
		s->is_gone = true;
}

static struct status run_verb(struct session *s, const struct verb *verb,
	struct str arguments)
{
	if (verb->run != verb_rcpt)
		rcpt_settle(s);
	if (server.tls.is_required && !s->is_unix && !s->has_tls &&
		!(verb->flags & PLAIN))
		return REPLY_NEED_TLS;
	if (verb->when & s->stage)
		return verb->run(s, arguments);
	return s->stage == AT_BDAT && verb->in_chunks.code ?
		verb->in_chunks : verb->otherwise;
}

static struct status run_line(struct session *s, struct str line)
{
	struct smtp_command command = { 0 };
	bool good = smtp_command_parse(line, &command);

	for (size_t i = 0; good && i < COUNT(verbs); i++)
		if (str_is_nocase(command.verb, verbs[i].name))
			return run_verb(s, &verbs[i], command.arguments);
	rcpt_settle(s);
	return good ? REPLY_UNKNOWN_COMMAND : REPLY_BAD_SYNTAX;
}

struct status session_lost(struct session *s, int error)
{
	s->is_gone = true;
	if (error == ETIMEDOUT) {
		log_info("timeout from %.*s", STR_ARG(s->label));
		return STATUS(421, 4, 2, "Error: timeout exceeded");
	}
	if (error != ECANCELED)
		return ANSWERED;
	io_uncancel();
	return STATUS(421, 3, 2, "Service shutting down");
}

/* The next command is there already: replies may wait for it. */
static bool has_line(struct session *s)
{
	return io_has_input(s->io) &&
		str_find_char(stream_buffered(s->io), '\n') != SIZE_MAX;
}

static void converse(struct session *s)
{
	struct str line;

	answer(s, greeting(s));
	while (!s->is_gone) {
		arena_reset(s->arena);
		if (!has_line(s))
			rcpt_settle(s);
		if (io_line(s->io, &line, s->conf->smtpd_timeout))
			answer(s, run_line(s, line));
		else if (errno == EMSGSIZE)
			answer(s, STATUS(500, 5, 2,
				"Error: command too long"));
		else
			answer(s, session_lost(s, errno));
		if ((int64_t)s->errors >= s->conf->smtpd_hard_error_limit &&
			!s->is_gone)
			answer(s, STATUS(421, 7, 0,
				"Error: too many errors"));
	}
}

/* Whoever may open the socket's path may hand in mail. */
static bool identify(struct session *s)
{
	struct dns_address address;
	uint16_t port;

	s->name = STR("unknown");
	s->port = STR("0");
	s->is_unix = !dns_address_from(&s->client->address, &address, &port);
	if (s->is_unix) {
		s->address = s->peer = STR("127.0.0.1");
		s->label = STR("local[unix]");
		return true;
	}
	s->port = arena_fmt(s->home, "%u", port);
	s->address = s->peer = dns_address_text(s->home, &address);
	s->label = arena_fmt(s->home, "unknown[%.*s]", STR_ARG(s->address));
	return match_host(server.networks, s->home, STR_NONE, s->address) ==
		MAPS_FOUND;
}

static void serve(struct session *s)
{
	if (!identify(s)) {
		log_info("reject: %.*s is not in mynetworks",
			STR_ARG(s->label));
		answer(s, STATUS(554, 7, 1, "Client host rejected: Access "
			"denied"));
		return;
	}
	log_info("connect from %.*s", STR_ARG(s->label));
	if (!server.tls.is_wrapped || s->is_unix ||
		(server.tls.context && tls_begin(s)))
		converse(s);
	mail_end(s);
	log_info("disconnect from %.*s", STR_ARG(s->label));
}

static void session(const struct conf *conf, struct client *client)
{
	struct session s = { .conf = conf, .client = client,
		.io = client->io, .home = client->arena,
		.arena = arena_child(client->arena), .stage = AT_START,
		.hello = STR_NONE, .helo = STR_NONE, .login = STR_NONE,
		.protocol = STR("LMTP") };

	serve(&s);
	if (!io_shutdown(s.io, span_s(10)))
		log_debug("goodbye: %m");
}

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static const struct service service = {
	.name = "lmtpd",
	.fibers = 100,
	.profile = PROFILE_NETWORK,
	.calls = "virtual bounce proxymap querymap",
	.params = params,
	.prepare = prepare,
	.start = start,
	.session = session,
	.ticket_keys = take_ticket_keys,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
