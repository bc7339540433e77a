/*
 * The mail filters of a client: smtpd_milters, or what smtpd_milter_maps says
 * of its address. They hear of the envelope from here, of the content from
 * cleanup, to which the conversations go for that time.
 *
 * Source   MILTER_README of Postfix
 */
#include "smtpd/check.h"

#include "base/log.h"
#include "mail/address.h"
#include "smtp/command.h"
#include "smtp/path.h"

enum {
	ARGUMENTS_MOST = 20, /* of MAIL and RCPT, as filters are told */
};

/* ---- macros ---- */

static struct str number(struct session *s, uint64_t value)
{
	return arena_fmt(s->arena, "%llu", (unsigned long long)value);
}

static struct str get_queue_id(struct session *s)
{
	return s->mail ? s->mail->queue_id : STR_NONE;
}

static struct str get_hostname(struct session *s)
{
	return s->conf->myhostname;
}

static struct str get_version(struct session *s)
{
	return s->conf->milter_macro_v;
}

static struct str get_client(struct session *s)
{
	return arena_fmt(s->arena, "%.*s [%.*s]", STR_ARG(s->name),
		STR_ARG(s->address_text));
}

static struct str get_daemon_name(struct session *s)
{
	return s->conf->milter_macro_daemon_name;
}

static struct str get_server_address(struct session *s)
{
	struct str text = client_server_address(s);

	return text.len > 0 ? text : STR_NONE;
}

static struct str get_server_port(struct session *s)
{
	struct dns_address address;
	uint16_t port;

	if (!str_is_none(s->server_port))
		return s->server_port;
	return dns_address_from(&s->client->server_address, &address, &port) ?
		number(s, port) : STR_NONE;
}

static struct str get_client_address(struct session *s)
{
	return s->address_text;
}

static struct str get_client_name(struct session *s)
{
	return s->name;
}

static struct str get_client_pointer(struct session *s)
{
	return s->reverse_name;
}

static struct str get_client_port(struct session *s)
{
	return s->port;
}

/* Does the name lead back to the address? */
static struct str get_client_resolve(struct session *s)
{
	if (s->name_code == 2)
		return STR("OK");
	if (s->name_code == 4)
		return STR("TEMP");
	return s->reverse_code == 2 ? STR("FORGED") : STR("FAIL");
}

static struct str get_connections(struct session *s)
{
	return s->connections > 0 ? number(s, s->connections) : STR_NONE;
}

static struct str get_tls_version(struct session *s)
{
	return s->has_tls ? s->tls.protocol : STR_NONE;
}

static struct str get_cipher(struct session *s)
{
	return s->has_tls ? s->tls.cipher : STR_NONE;
}

static struct str get_cipher_bits(struct session *s)
{
	return s->has_tls ? number(s, (uint64_t)s->tls.bits_used) : STR_NONE;
}

/* A name that nobody vouches for is none. */
static struct str get_cert_subject(struct session *s)
{
	return s->has_tls && s->tls.is_trusted ? s->tls.peer_subject :
		STR_NONE;
}

static struct str get_cert_issuer(struct session *s)
{
	return s->has_tls && s->tls.is_trusted ? s->tls.peer_issuer : STR_NONE;
}

static struct str get_sni(struct session *s)
{
	return s->has_tls && s->tls.sni.len > 0 ? s->tls.sni : STR_NONE;
}

static struct str get_auth_type(struct session *s)
{
	return s->sasl_method;
}

static struct str get_auth_authen(struct session *s)
{
	return s->sasl_username;
}

static struct str get_auth_author(struct session *s)
{
	return s->mail ? s->mail->sender_auth : STR_NONE;
}

static struct str get_mail_address(struct session *s)
{
	return s->mail ? shown(s, s->mail->sender) : STR_NONE;
}

static struct resolved route(struct session *s, struct str address)
{
	struct resolved resolved = { .nexthop = STR_NONE,
		.transport = STR_NONE };

	if (address.len > 0)
		check_resolve(s, address, &resolved);
	else if (!str_is_none(address)) /* notifications go to nobody */
		resolve(server.router, s->arena, address, address, &resolved);
	return resolved;
}

static struct str get_mail_host(struct session *s)
{
	return s->mail ? route(s, s->mail->sender).nexthop : STR_NONE;
}

static struct str get_mail_mailer(struct session *s)
{
	return s->mail ? route(s, s->mail->sender).transport : STR_NONE;
}

/* Of a recipient that we have refused: the error, in three parts. */
static struct str get_rcpt_address(struct session *s)
{
	if (s->refused)
		return s->refused->text;
	return str_is_none(s->recipient) ? STR_NONE : shown(s, s->recipient);
}

static struct str get_rcpt_host(struct session *s)
{
	if (s->refused)
		return arena_fmt(s->arena, "%d.%d.%d",
			status_class(*s->refused), s->refused->subject,
			s->refused->detail);
	return route(s, s->recipient).nexthop;
}

static struct str get_rcpt_mailer(struct session *s)
{
	return s->refused ? STR("error") : route(s, s->recipient).transport;
}

static const struct macro {
	const char *name;
	struct str (*get)(struct session *s);
} macros[] = {
	{ "i", get_queue_id },
	{ "j", get_hostname },
	{ "v", get_version },
	{ "_", get_client },
	{ "{daemon_name}", get_daemon_name },
	{ "{daemon_addr}", get_server_address },
	{ "{daemon_port}", get_server_port },
	{ "{if_addr}", get_server_address },
	{ "{if_name}", get_hostname },
	{ "{client_addr}", get_client_address },
	{ "{client_name}", get_client_name },
	{ "{client_ptr}", get_client_pointer },
	{ "{client_port}", get_client_port },
	{ "{client_resolve}", get_client_resolve },
	{ "{client_connections}", get_connections },
	{ "{tls_version}", get_tls_version },
	{ "{cipher}", get_cipher },
	{ "{cipher_bits}", get_cipher_bits },
	{ "{cert_subject}", get_cert_subject },
	{ "{cert_issuer}", get_cert_issuer },
	{ "{tls_sni}", get_sni },
	{ "{auth_type}", get_auth_type },
	{ "{auth_authen}", get_auth_authen },
	{ "{auth_author}", get_auth_author },
	{ "{mail_addr}", get_mail_address },
	{ "{mail_host}", get_mail_host },
	{ "{mail_mailer}", get_mail_mailer },
	{ "{rcpt_addr}", get_rcpt_address },
	{ "{rcpt_host}", get_rcpt_host },
	{ "{rcpt_mailer}", get_rcpt_mailer },
};

static struct str find_macro(void *context, struct str name)
{
	for (size_t i = 0; i < COUNT(macros); i++)
		if (str_is(name, macros[i].name))
			return macros[i].get(context);
	return STR_NONE;
}

/* ---- what they said ---- */

static void mark(struct session *s, unsigned flag, const char *event,
	struct str why)
{
	if (s->mail->actions.flags & flag)
		return;
	s->mail->actions.flags |= flag;
	log_event(s, event, why);
}

static struct status conclude(struct session *s, struct status status)
{
	if (!status_is_ok(status)) {
		log_refusal(s, "milter-reject", status);
		return status;
	}
	if (!s->mail)
		return status;
	if (milters_discard(s->milters))
		mark(s, SUBMIT_DISCARD, "milter-discard",
			STR("milter triggers DISCARD action"));
	if (!str_is_none(milters_hold(s->milters)))
		mark(s, SUBMIT_HOLD, "milter-hold", milters_hold(s->milters));
	return status;
}

/* ---- who they are ---- */

static bool lookup_failed(struct session *s, const char *why)
{
	log_warning("smtpd_milter_maps: %s for %.*s", why, STR_ARG(s->label));
	s->unfiltered = REPLY_CONFIG_ERROR;
	return false;
}

/* Those of its address, else those of all. False: that cannot be known. */
static bool find_places(struct session *s, struct milter_places *places)
{
	struct str list, problem;

	*places = server.milters;
	switch (maps_find(server.milter_maps, s->home, s->address_text,
		&list)) {
	case MAPS_ABSENT:
		return true;
	case MAPS_ERROR:
		return lookup_failed(s, "lookup error");
	case MAPS_FOUND:
		break;
	}
	*places = (struct milter_places){ 0 };
	if (str_is_nocase(str_trim(list), "DISABLE"))
		return true;
	return milter_places_parse(s->home, s->conf, STR("smtpd_milter_maps"),
		list, places, &problem) ||
		lookup_failed(s, arena_cstr(s->arena, problem));
}

struct status milter_connect(struct session *s)
{
	struct milter_plan plan = { .conf = s->conf,
		.finder = { find_macro, s } };
	struct status status;
	uint64_t port = 0;

	s->unfiltered = (struct status){ 0 };
	if (!server.has_milters || s->explains)
		return STATUS_OK;
	if (!find_places(s, &plan.places))
		return s->unfiltered;
	if (plan.places.count == 0)
		return STATUS_OK;
	s->milters = milters_new(s->home, &plan);
	(void)!str_parse_u64(s->port, UINT16_MAX, &port);
	status = milters_connect(s->milters, s->name_code == 2 ? s->name :
		arena_fmt(s->arena, "[%.*s]", STR_ARG(s->address_text)),
		!s->has_address ? 'U' :
		s->address.v6 ? '6' : '4', (uint16_t)port, s->address_text);
	return conclude(s, status);
}

/* ---- what they hear ---- */

struct status milter_helo(struct session *s)
{
	return s->milters ? conclude(s, milters_helo(s->milters, s->helo)) :
		STATUS_OK;
}

/* "<address>", then what stands behind the path. */
static size_t split(struct session *s, const char *keyword, struct str in,
	struct str *arguments)
{
	struct str address = STR("");
	size_t count = 1;
	bool has_route;

	(void)!smtp_keyword_take(&in, keyword);
	(void)!smtp_path_take(s->arena, &in,
		s->conf->strict_rfc821_envelopes, &address, &has_route);
	arguments[0] = arena_fmt(s->arena, "<%.*s>",
		STR_ARG(mail_address_external(s->arena, address)));
	while (count < ARGUMENTS_MOST && str_trim(in).len > 0)
		arguments[count++] = str_take_word(&in);
	return count;
}

struct status milter_mail(struct session *s, struct str arguments)
{
	struct str all[ARGUMENTS_MOST];

	if (s->unfiltered.code)
		return s->unfiltered;
	if (!s->milters)
		return STATUS_OK;
	return conclude(s, milters_mail(s->milters, all,
		split(s, "FROM", arguments, all)));
}

struct status milter_rcpt(struct session *s, struct str arguments)
{
	struct str all[ARGUMENTS_MOST];

	if (!s->milters)
		return STATUS_OK;
	return conclude(s, milters_rcpt(s->milters, all,
		split(s, "TO", arguments, all)));
}

void milter_refused_rcpt(struct session *s, struct str arguments,
	const struct status *status)
{
	struct str all[ARGUMENTS_MOST];

	if (!s->milters)
		return;
	s->refused = status;
	milters_refused_rcpt(s->milters, all, split(s, "TO", arguments, all));
	s->refused = NULL;
}

struct status milter_data(struct session *s)
{
	return s->milters ? conclude(s, milters_data(s->milters)) : STATUS_OK;
}

struct status milter_unknown(struct session *s, struct str verb)
{
	return s->milters ? conclude(s, milters_unknown(s->milters, verb)) :
		STATUS_OK;
}

/* ---- the content ---- */

static void give(void *context, const struct msg_milter *m)
{
	struct session *s = context;

	submission_milter(s->mail->submission, m);
}

struct status milter_pass(struct session *s)
{
	if (!s->milters || milters_discard(s->milters))
		return STATUS_OK;
	return conclude(s, milters_pass(s->milters, give, s));
}

void milter_passed(struct session *s)
{
	if (s->milters)
		milters_passed(s->milters,
			submission_milters(s->mail->submission));
}

void milter_reset(struct session *s)
{
	if (s->milters)
		milters_abort(s->milters);
}

void milter_close(struct session *s)
{
	if (s->milters)
		milters_close(s->milters);
	s->milters = NULL;
}
