/*
 * lmtpd - takes mail over LMTP and answers when it lies in the mailboxes.
 *
 * Room       a fiber per client; user posthorn-in, empty root; opens nothing
 * Gets       clients, by accept() on inherited sockets: through a path, or
 *            from addresses in mynetworks
 * Calls      virtual, proxymap
 * RFC        2033, 5321, 1870, 2034, 2920, 6152, 6531
 */
#include "lmtpd/session.h"

#include <errno.h>

#include "base/log.h"
#include "dns/dns.h"
#include "maps/match.h"
#include "smtp/command.h"

static const enum param params[] = { mail_name, message_size_limit,
	mynetworks, myhostname, smtpd_hard_error_limit, smtpd_recipient_limit,
	smtpd_timeout, smtputf8_enable, strict_rfc821_envelopes, PARAMS_END };

#define OUT_OF_ORDER(text) { 503, 5, 1, { "" text, sizeof(text) - 1 } }

static const struct verb {
	const char *name;
	struct status (*run)(struct session *s, struct str arguments);
	unsigned when;
	struct status otherwise;
} verbs[] = {
	/* clang-format off */
	{ "LHLO", verb_lhlo, AT_ANY,             { 0 } },
	{ "MAIL", verb_mail, AT_IDLE,            OUT_OF_ORDER("Error: send LHLO first, one message at a time") },
	{ "RCPT", verb_rcpt, AT_MAIL,            OUT_OF_ORDER("Error: need MAIL command") },
	{ "DATA", verb_data, AT_MAIL,            OUT_OF_ORDER("Error: need RCPT command") },
	{ "RSET", verb_rset, AT_ANY,             { 0 } },
	{ "NOOP", verb_noop, AT_ANY,             { 0 } },
	{ "VRFY", verb_vrfy, AT_IDLE | AT_MAIL,  OUT_OF_ORDER("Error: send LHLO first") },
	{ "QUIT", verb_quit, AT_ANY,             { 0 } },
	/* clang-format on */
};

/* Who may hand in mail over the network, without any other proof. */
static struct match *networks;

static void prepare(const struct conf *conf)
{
	networks = match_open(arena_new(0), conf, "mynetworks",
		conf->mynetworks);
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

static struct status run_line(struct session *s, struct str line)
{
	struct smtp_command command;

	if (!smtp_command_parse(line, &command))
		return STATUS(500, 5, 2, "Error: bad syntax");
	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (!str_is_nocase(command.verb, verbs[i].name))
			continue;
		return verbs[i].when & s->stage ?
			verbs[i].run(s, command.arguments) :
			verbs[i].otherwise;
	}
	return STATUS(500, 5, 2, "Error: command not recognized");
}

static void read_failed(struct session *s)
{
	if (errno == EMSGSIZE) {
		answer(s, STATUS(500, 5, 2, "Error: command too long"));
		return;
	}
	s->is_gone = true;
	if (errno == ETIMEDOUT) {
		log_info("timeout from %.*s", STR_ARG(s->label));
		answer(s, STATUS(421, 4, 2, "Error: timeout exceeded"));
	} else if (errno == ECANCELED) {
		io_uncancel();
		answer(s, STATUS(421, 3, 2, "Service shutting down"));
	}
}

static void converse(struct session *s)
{
	struct str line;

	answer(s, status_f(s->home, 220, SMTP_NO_ENHANCED, SMTP_NO_ENHANCED,
		"%.*s LMTP %.*s", STR_ARG(s->conf->myhostname),
		STR_ARG(s->conf->mail_name)));
	while (!s->is_gone) {
		arena_reset(s->arena);
		if (!io_line(s->io, &line, s->conf->smtpd_timeout))
			read_failed(s);
		else
			answer(s, run_line(s, line));
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

	if (!dns_address_from(&s->client->address, &address, &port)) {
		s->address = STR("127.0.0.1");
		s->label = STR("local[unix]");
		return true;
	}
	s->address = dns_address_text(s->home, &address);
	s->label = arena_fmt(s->home, "unknown[%.*s]", STR_ARG(s->address));
	return match_host(networks, s->home, STR_NONE, s->address) ==
		MAPS_FOUND;
}

static void session(const struct conf *conf, struct client *client)
{
	struct session s = { .conf = conf, .client = client,
		.io = client->io, .home = client->arena,
		.arena = arena_child(client->arena), .stage = AT_START };

	if (identify(&s)) {
		log_info("connect from %.*s", STR_ARG(s.label));
		converse(&s);
		mail_end(&s);
		log_info("disconnect from %.*s", STR_ARG(s.label));
	} else {
		log_info("reject: %.*s is not in mynetworks",
			STR_ARG(s.label));
		answer(&s, STATUS(554, 7, 1, "Client host rejected: Access "
			"denied"));
	}
	if (!io_shutdown(s.io, span_s(10)))
		log_debug("goodbye: %m");
}

static const struct service service = {
	.name = "lmtpd",
	.fibers = 100,
	.profile = PROFILE_NETWORK,
	.calls = "virtual proxymap querymap",
	.params = params,
	.prepare = prepare,
	.session = session,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
