/*
 * The link to anvil: one call for the whole process, so that anvil sees when
 * this process is gone and forgets its connections.
 */
#include "smtpd/session.h"

#include "base/log.h"

static struct {
	struct arena *arena; /* of the call; NULL: no call */
	struct call *call;
	struct io_gate gate;    /* one question at a time */
	uint64_t generation;    /* of the call; 0: none was made yet */
	struct moment retry;    /* after a failure: not before */
} link;

enum {
	ANSWER_S = 10,
	RETRY_S = 10,
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

void rate_open(void)
{
	io_gate_init(&link.gate, 1);
	link.retry = moment_now();
}

static void drop_call(void)
{
	arena_free(link.arena);
	link.arena = NULL;
	link.call = NULL;
	link.retry = moment_after(span_s(RETRY_S));
}

static bool have_call(void)
{
	if (link.call && call_is_alive(link.call))
		return true;
	if (link.call)
		drop_call();
	if (link.generation && moment_left(link.retry).us > 0)
		return false;
	link.arena = arena_new(0);
	link.call = service_call(link.arena, "anvil", span_s(ANSWER_S));
	link.generation++;
	if (link.call)
		return true;
	log_warning("connect to anvil: %m");
	drop_call();
	return false;
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

/* Within the gate. */
static bool ask(struct session *s, enum rate_event event,
	struct msg_anvil_counts *counts)
{
	struct msg_anvil m = {
		.verb = str_from(limits[event].verb), .service = service_row(),
		.address = network_of(s), .count = 1,
	};

	if (!have_call())
		return false;
	if (msg_anvil_send(link.call, &m) &&
		msg_anvil_counts_recv(link.call, counts, span_s(ANSWER_S)))
		return true;
	log_warning("problem talking to service anvil: %m");
	drop_call();
	return false;
}

static bool is_counted(struct session *s, enum rate_event event)
{
	if (!s->has_address || client_is_in(s, server.exempt))
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
	bool known;

	if (!is_counted(s, event) || !io_gate_enter(&link.gate,
		span_s(ANSWER_S)))
		return true;
	known = ask(s, event, &counts);
	if (known && event == RATE_CONNECT)
		s->rate_generation = link.generation;
	io_gate_leave(&link.gate);
	if (!known)
		return true;
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

/* Not answered. A new anvil, or a new call, knows nothing of us. */
void rate_disconnect(struct session *s)
{
	struct msg_anvil m = {
		.verb = STR("disconnect"), .service = service_row(),
		.count = 1,
	};

	if (s->rate_generation == 0)
		return;
	m.address = network_of(s);
	if (!io_gate_enter(&link.gate, span_s(ANSWER_S)))
		return;
	if (s->rate_generation == link.generation && link.call &&
		!msg_anvil_send(link.call, &m))
		drop_call();
	io_gate_leave(&link.gate);
}
