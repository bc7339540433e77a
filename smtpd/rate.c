/*
 * What anvil counts: one call as long as the connection lasts, so that anvil
 * sees its end whatever becomes of this process.
 */
#include "smtpd/session.h"

#include "base/log.h"

enum {
	ANSWER_S = 10,
};

struct limit {
	const char *verb, *what;
	int code, subject, detail;
	const char *too; /* "Error: too <much mail> from <address>" */
	size_t limit; /* offset in struct conf */
};

static const struct limit limits[] = {
	[RATE_CONNECT] = { "connect", "Connection rate", 421, 7, 0,
		"many connections",
		offsetof(struct conf, smtpd_client_connection_rate_limit) },
	[RATE_MESSAGE] = { "message", "Message delivery request rate", 450, 7,
		1, "much mail",
		offsetof(struct conf, smtpd_client_message_rate_limit) },
	[RATE_RECIPIENT] = { "recipient", "Recipient address rate", 450, 7, 1,
		"many recipients",
		offsetof(struct conf, smtpd_client_recipient_rate_limit) },
	[RATE_TLS] = { "newtls", "New TLS session rate", 454, 7, 0,
		"many new TLS sessions", offsetof(struct conf,
		smtpd_client_new_tls_session_rate_limit) },
	[RATE_AUTH] = { "auth", "AUTH command rate", 450, 7, 1,
		"many AUTH commands",
		offsetof(struct conf, smtpd_client_auth_rate_limit) },
};

static int64_t limit_of(const struct session *s, enum rate_event event)
{
	return *(const int64_t *)(const void *)((const char *)s->conf +
		limits[event].limit);
}

/* The network that a client is counted under. */
static struct str network_of(struct session *s)
{
	struct dns_address network = s->address;
	int64_t prefix = network.v6 ? s->conf->smtpd_client_ipv6_prefix_length :
		s->conf->smtpd_client_ipv4_prefix_length;
	size_t len = network.v6 ? 16 : 4;

	for (size_t i = 0; i < len; i++) {
		int64_t bits = prefix - (int64_t)i * 8;

		if (bits <= 0)
			network.octets[i] = 0;
		else if (bits < 8)
			network.octets[i] &= (uint8_t)(0xff << (8 - bits));
	}
	return dns_address_text(s->arena, &network);
}

static bool ask(struct session *s, enum rate_event event,
	struct msg_anvil_counts *counts)
{
	struct msg_anvil m = {
		.verb = str_from(limits[event].verb), .service = service_row(),
		.address = network_of(s), .count = 1,
	};

	if (!s->rate_call)
		s->rate_call = service_call(s->home, "anvil",
			span_s(ANSWER_S));
	if (s->rate_call && msg_anvil_send(s->rate_call, &m) &&
		msg_anvil_counts_recv(s->rate_call, counts, span_s(ANSWER_S)))
		return true;
	log_warning("problem talking to service anvil: %m");
	return false;
}

static bool is_counted(struct session *s, enum rate_event event)
{
	if (server.is_local || !s->has_address || client_is_in(s, server.exempt))
		return false;
	if (event == RATE_CONNECT)
		return limit_of(s, event) > 0 ||
			s->conf->smtpd_client_connection_count_limit > 0;
	return limit_of(s, event) > 0;
}

static bool refuse(struct session *s, enum rate_event event, const char *what,
	uint64_t count, struct status *refusal)
{
	const struct limit *row = &limits[event];

	log_warning("%s limit exceeded: %llu from %.*s for service %.*s", what,
		(unsigned long long)count, STR_ARG(s->label),
		STR_ARG(service_row()));
	*refusal = status_f(s->arena, row->code, row->subject, row->detail,
		"%.*s%sError: too %s from %.*s",
		STR_ARG(row->code == 421 ? s->conf->myhostname : STR("")),
		row->code == 421 ? " " : "", row->too,
		STR_ARG(s->address_text));
	return false;
}

/* Doubt (anvil cannot be asked) is for the client. */
bool rate_count(struct session *s, enum rate_event event,
	struct status *refusal)
{
	struct msg_anvil_counts counts;
	int64_t most = s->conf->smtpd_client_connection_count_limit;

	if (!is_counted(s, event) || !ask(s, event, &counts))
		return true;
	s->connections = counts.connections;
	if (event == RATE_CONNECT && most > 0 &&
		counts.connections > (uint64_t)most)
		return refuse(s, event, "Connection concurrency",
			counts.connections, refusal);
	if (limit_of(s, event) > 0 &&
		counts.rate > (uint64_t)limit_of(s, event))
		return refuse(s, event, limits[event].what, counts.rate,
			refusal);
	return true;
}

void rate_disconnect(struct session *s)
{
	if (s->rate_call)
		call_close(s->rate_call);
	s->rate_call = NULL;
}
