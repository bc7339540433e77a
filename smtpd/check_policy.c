/*
 * check_policy_service: another server's opinion of a request.
 *
 * Source   SMTPD_POLICY_README of Postfix: attributes as "name=value" lines,
 *          an empty line; the answer "action=<action of access(5)>" likewise
 *
 * The place is the parameter's own: dialer opens no other. Connections are
 * kept and shared by the sessions of the process. An answer is used as if an
 * access table had given it; without one the default action is.
 */
#include "smtpd/check.h"

#include "base/log.h"
#include "maps/link.h"
#include "smtpd/policy.h"

#include <unistd.h>

struct policy {
	struct str endpoint, context, default_action;
	struct links *links;
};

void policy_open(struct restriction *item, struct str list)
{
	const struct conf *conf = server.conf;
	struct policy_options options = {
		.context = conf->smtpd_policy_service_policy_context,
		.default_action = conf->smtpd_policy_service_default_action,
		.timeout = conf->smtpd_policy_service_timeout,
		.max_idle = conf->smtpd_policy_service_max_idle,
		.max_ttl = conf->smtpd_policy_service_max_ttl,
		.retry_delay = conf->smtpd_policy_service_retry_delay,
		.request_limit = conf->smtpd_policy_service_request_limit,
		.try_limit = conf->smtpd_policy_service_try_limit,
	};
	struct policy *policy;

	if (!policy_options_parse(&options, item->argument)) {
		item->id = RESTRICTION_BAD;
		item->problem = arena_fmt(server.arena,
			"%.*s: check_policy_service needs inet:host:port or "
			"unix:path, or { that, name = value, ... }: \"%.*s\"",
			STR_ARG(list), STR_ARG(item->argument));
		return;
	}
	policy = arena_new_of(server.arena, struct policy);
	*policy = (struct policy){ .endpoint = options.endpoint,
		.context = options.context,
		.default_action = options.default_action };
	policy->links = links_new(server.arena, &(struct links_plan){
		.purpose = list,
		.endpoint = options.endpoint,
		.timeout = options.timeout,
		.keep = options.max_idle,
		.age = options.max_ttl,
		.talks = (unsigned)options.request_limit,
		.tries = options.try_limit > 0 ? (unsigned)options.try_limit
					       : 1,
		.retry_pause = options.retry_delay,
		.line_limit = (size_t)conf->line_length_limit,
	});
	item->opened = policy;
}

/* ---- the request ---- */

/* No value can end its line. */
static void put(struct buf *out, const char *name, struct str value)
{
	buf_fmt(out, "%s=", name);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		buf_char(out, c < ' ' || c == 0x7f ? '?' : (char)c);
	}
	buf_char(out, '\n');
}

static void put_number(struct buf *out, const char *name, uint64_t value)
{
	buf_fmt(out, "%s=%llu\n", name, (unsigned long long)value);
}

static void put_server(struct session *s, struct buf *out)
{
	struct dns_address address;
	uint16_t port;

	if (!dns_address_from(&s->client->server_address, &address, &port))
		port = 0;
	put(out, "server_address", client_server_address(s));
	put(out, "server_port", str_is_none(s->server_port) ?
		arena_fmt(s->arena, "%u", port) : s->server_port);
}

static void put_client(struct session *s, struct buf *out)
{
	put(out, "client_address", s->address_text);
	put(out, "client_name", s->name);
	put(out, "client_port", s->port);
	put(out, "reverse_client_name", s->reverse_name);
	put_server(s, out);
	put(out, "helo_name", s->helo);
}

/* The same for all questions about one message, another for each. */
static struct str instance(struct session *s)
{
	return arena_fmt(s->arena, "%x.%llx.%.*s", (unsigned)getpid(),
		(unsigned long long)(s->mail ? s->mail->arrival_us : 0),
		STR_ARG(s->port));
}

/* What the client announced; at the end, what it sent. */
static uint64_t size_of(struct session *s)
{
	const struct mail *m = s->mail;
	const uint64_t dot = sizeof(".\r\n") - 1;

	if (!m)
		return 0;
	if (s->check.stage != CHECK_END_OF_DATA)
		return m->size;
	return m->is_chunked || m->octets < dot ? m->octets : m->octets - dot;
}

static void put_mail(struct session *s, struct buf *out)
{
	const struct mail *m = s->mail;
	bool late = s->check.stage >= CHECK_DATA;

	put(out, "sender", m ? m->sender : STR(""));
	put(out, "recipient", s->recipient);
	put_number(out, "recipient_count", m && late ? m->recipients : 0);
	put(out, "queue_id", m ? m->queue_id : STR(""));
	put(out, "instance", instance(s));
	put_number(out, "size", size_of(s));
	put(out, "etrn_domain", STR(""));
	put(out, "stress", conf_text(s->conf, STR("stress")));
	put(out, "sasl_method", s->sasl_method);
	put(out, "sasl_username", s->sasl_username);
	put(out, "sasl_sender", m ? m->sender_auth : STR(""));
}

static void put_tls(struct session *s, struct buf *out)
{
	const struct tls_session *tls = &s->tls;
	bool trusted = tls->is_trusted;

	put(out, "ccert_subject", trusted ? tls->peer_subject : STR(""));
	put(out, "ccert_issuer", trusted ? tls->peer_issuer : STR(""));
	put(out, "ccert_fingerprint", tls->peer_fingerprint);
	put(out, "ccert_pubkey_fingerprint", tls->peer_key_fingerprint);
	put(out, "encryption_protocol", tls->protocol);
	put(out, "encryption_cipher", tls->cipher);
	put_number(out, "encryption_keysize", (uint64_t)tls->bits_used);
	put(out, "tls_sni", tls->sni);
}

static struct str request(struct session *s, const struct policy *policy)
{
	struct buf out = BUF_IN(s->arena);

	put(&out, "request", STR("smtpd_access_policy"));
	put(&out, "protocol_state", str_from(s->where));
	put(&out, "protocol_name", s->is_esmtp ? STR("ESMTP") : STR("SMTP"));
	put_client(s, &out);
	put_mail(s, &out);
	put_tls(s, &out);
	put(&out, "policy_context", policy->context);
	put(&out, "compatibility_level", s->conf->compatibility_level);
	put(&out, "mail_version", s->conf->mail_version);
	buf_char(&out, '\n');
	return buf_str(&out);
}

/* ---- the answer ---- */

struct talk {
	struct arena *arena;
	struct str request, action;
};

static bool run(struct stream *stream, void *context)
{
	struct talk *talk = context;

	return io_write(stream, talk->request) &&
		io_flush(stream, SPAN_FOREVER) &&
		policy_answer_take(stream, talk->arena, &talk->action);
}

enum verdict check_policy(struct session *s,
	const struct restriction *restriction)
{
	const struct policy *policy = restriction->opened;
	struct subject subject = check_subject(s, ABOUT_NOBODY);
	struct talk talk = { .arena = s->arena };

	if (!policy)
		return check_config_error(s,
			STR("check_policy_service does not work in a table"));
	talk.request = request(s, policy);
	if (!link_talk(policy->links, run, &talk)) {
		log_warning("problem talking to server %.*s: %m",
			STR_ARG(policy->endpoint));
		talk.action = policy->default_action;
	}
	return check_action(s, &subject, policy->endpoint, talk.action,
		false);
}
