/*
 * AUTH, RFC 4954: the exchange itself is the auth daemon's.
 */
#include "smtpd/session.h"

#include <errno.h>

#include "base/encode.h"
#include "base/log.h"
#include "smtp/command.h"

enum {
	CONNECT_S = 10,
	ANSWER_S = 120, /* hashing takes its time, and so do delays */
	OFFER_S = 1,    /* is what is offered believed */
};

enum verdict {
	VERDICT_ACCEPTED,
	VERDICT_WRONG,
	VERDICT_TEMPORARY,
	VERDICT_NO_MECHANISM,
	VERDICT_ABORTED,
};

/* The options that apply now, smtpd_sasl_security_options(5). */
static struct str options_now(const struct session *s)
{
	return s->has_tls ? s->conf->smtpd_sasl_tls_security_options :
		s->conf->smtpd_sasl_security_options;
}

static bool has_option(const struct session *s, const char *name)
{
	struct str rest = options_now(s), item;

	while (str_take_item(&rest, ", \t\r\n", &item))
		if (str_is_nocase(item, name))
			return true;
	return false;
}

/* What each option forbids. */
static const struct {
	const char *option, *mechanism;
} forbidden[] = {
	{ "noanonymous", "ANONYMOUS" },
	{ "noplaintext", "PLAIN" },
	{ "noplaintext", "LOGIN" },
	{ "nodictionary", "PLAIN" },
	{ "nodictionary", "LOGIN" },
	{ "nodictionary", "CRAM-MD5" },
	{ "nodictionary", "DIGEST-MD5" },
	{ "nodictionary", "SCRAM-SHA-1" },
	{ "nodictionary", "SCRAM-SHA-256" },
	{ "nodictionary", "SCRAM-SHA-256-PLUS" },
	{ "noactive", "PLAIN" },
	{ "noactive", "LOGIN" },
	{ "noactive", "CRAM-MD5" },
	{ "mutual_auth", "PLAIN" },
	{ "mutual_auth", "LOGIN" },
	{ "mutual_auth", "CRAM-MD5" },
	{ "mutual_auth", "ANONYMOUS" },
};

static bool is_allowed(struct session *s, struct str mechanism)
{
	for (size_t i = 0; i < COUNT(forbidden); i++)
		if (str_is_nocase(mechanism, forbidden[i].mechanism) &&
			has_option(s, forbidden[i].option))
			return false;
	/* No mechanism here keeps past exchanges secret. */
	if (has_option(s, "forward_secrecy"))
		return false;
	return match_string(server.mechanisms, s->arena, mechanism) ==
		MAPS_FOUND;
}

/* Whoever says who somebody is: NONE, our own auth. */
static struct str sasl_server(const struct session *s)
{
	return str_is(s->conf->smtpd_sasl_type, "dovecot") ?
		s->conf->smtpd_sasl_path : STR_NONE;
}

static bool is_known_type(const struct session *s)
{
	if (str_is(s->conf->smtpd_sasl_type, "cyrus") ||
		str_is(s->conf->smtpd_sasl_type, "dovecot"))
		return true;
	log_warning("smtpd_sasl_type = %.*s is not known; use cyrus or "
		"dovecot", STR_ARG(s->conf->smtpd_sasl_type));
	return false;
}

/* Passwords in the clear are for the configuration to forbid. */
static bool is_secured(struct session *s)
{
	return s->has_tls || !has_option(s, "noplaintext");
}

static bool is_offered(struct session *s)
{
	if (!s->conf->smtpd_sasl_auth_enable || (s->hidden & HIDE_AUTH))
		return false;
	if (s->conf->smtpd_tls_auth_only && !s->has_tls)
		return false;
	return match_is_empty(server.sasl_exempt) ||
		!client_is_in(s, server.sasl_exempt);
}

static void format_offer(struct session *s, struct msg_list list,
	struct buf *out)
{
	struct str mechanism;

	while (msg_list_take(&list, &mechanism)) {
		if (!smtp_is_mechanism(mechanism) ||
			!is_allowed(s, mechanism))
			continue;
		if (out->len > 0)
			buf_char(out, ' ');
		buf_add(out, mechanism);
	}
}

/* What it was a moment ago: most sessions ask for nothing that another one has
 * not just asked for, and the answer depends on these only. */
static struct offer {
	struct moment until;
	struct buf list;
} offers[2][2][2]; /* by TLS, secured, bound */

static struct offer *offer_of(const struct session *s,
	const struct msg_auth_mechanisms *ask)
{
	return &offers[s->has_tls][ask->secured][ask->bound];
}

static void ask_for_offer(struct session *s,
	const struct msg_auth_mechanisms *ask, struct buf *list)
{
	struct offer *offer = offer_of(s, ask);
	struct msg_auth_offer answer;
	struct call *call = service_call(s->arena, "auth", span_s(CONNECT_S));

	if (!call || !msg_auth_mechanisms_send(call, ask) ||
		!msg_auth_offer_recv(call, &answer, span_s(ANSWER_S))) {
		log_warning("SASL: connect to auth: %m");
	} else {
		format_offer(s, answer.mechanisms, list);
		buf_clear(&offer->list);
		buf_add(&offer->list, buf_str(list));
		offer->until = moment_after(span_s(OFFER_S));
	}
	if (call)
		call_close(call);
}

struct str auth_mechanisms(struct session *s)
{
	struct msg_auth_mechanisms ask = { .service = STR("smtp") };
	struct buf list = BUF_IN(s->arena);
	const struct offer *offer;

	if (!is_offered(s) || !is_known_type(s))
		return STR("");
	ask.server = sasl_server(s);
	ask.secured = is_secured(s);
	ask.bound = s->has_tls &&
		(s->tls.exporter.len > 0 || s->tls.end_point.len > 0);
	offer = offer_of(s, &ask);
	if (offer->until.us && moment_left(offer->until).us > 0)
		buf_add(&list, buf_str(&offer->list));
	else
		ask_for_offer(s, &ask, &list);
	return buf_str(&list);
}

/* ---- the exchange ---- */

struct exchange {
	struct arena *arena; /* until its end: secrets do not stay */
	struct call *call;
	struct str mechanism;
	struct msg_auth_verdict verdict;
	struct status failure; /* of the dialogue; code 0: none */
};

static bool fail(struct exchange *x, struct status status)
{
	x->failure = status;
	return false;
}

static bool decode(struct exchange *x, struct str line, struct str *octets)
{
	*octets = str_is(line, "=") ? STR("") :
		line.len == 0 ? STR("") : base64_parse(x->arena, line);
	return !str_is_none(*octets) || fail(x, REPLY_AUTH_BAD_BASE64);
}

static bool send_challenge(struct session *s, struct exchange *x,
	struct str challenge)
{
	struct buf out = BUF_IN(x->arena);

	base64_format(&out, challenge);
	return io_fmt(s->io, "334 %.*s\r\n", STR_ARG(buf_str(&out)));
}

/* The client's line. "*" is the end, RFC 4954 4. */
static bool read_response(struct session *s, struct exchange *x,
	struct str *octets)
{
	struct str line;
	int error;
	bool got;

	stream_line_limit(s->io, (size_t)s->conf->smtpd_sasl_response_limit);
	got = io_line(s->io, &line, s->conf->smtpd_timeout);
	error = errno;
	stream_line_limit(s->io, (size_t)s->conf->line_length_limit);
	if (!got)
		return fail(x, error == EMSGSIZE ? REPLY_AUTH_TOO_LONG :
			session_lost(s, error));
	if (str_is(line, "*")) {
		log_warning("%.*s: SASL %.*s authentication aborted",
			STR_ARG(s->label), STR_ARG(x->mechanism));
		return fail(x, REPLY_AUTH_ABORTED);
	}
	return decode(x, line, octets);
}

static bool answer_challenge(struct session *s, struct exchange *x)
{
	struct msg_auth_challenge challenge;
	struct msg_auth_response response;

	return msg_auth_challenge_recv(x->call, &challenge,
			span_s(ANSWER_S)) &&
		send_challenge(s, x, challenge.octets) &&
		read_response(s, x, &response.octets) &&
		msg_auth_response_send(x->call, &response);
}

/* A last message of the server needs an empty answer, RFC 4954 4. */
static bool take_verdict(struct session *s, struct exchange *x)
{
	struct str empty;

	if (!msg_auth_verdict_recv(x->call, &x->verdict, span_s(ANSWER_S)))
		return false;
	if (x->verdict.verdict == VERDICT_ACCEPTED &&
		!str_is_none(x->verdict.final))
		return send_challenge(s, x, x->verdict.final) &&
			read_response(s, x, &empty);
	return true;
}

static bool converse(struct session *s, struct exchange *x)
{
	enum msg_kind kind;

	while (call_peek(x->call, &kind, span_s(ANSWER_S))) {
		if (kind == MSG_auth_verdict)
			return take_verdict(s, x);
		if (kind != MSG_auth_challenge || !answer_challenge(s, x))
			return false;
	}
	return false;
}

static bool start(struct session *s, struct exchange *x, struct str initial)
{
	struct msg_auth_start m = {
		.service = STR("smtp"), .mechanism = x->mechanism,
		.initial = initial, .client_address = s->address_text,
		.server_address = client_server_address(s), .server = sasl_server(s),
		.secured = is_secured(s), .encrypted = s->has_tls,
		.binding = STR_NONE,
	};

	if (s->has_tls && s->tls.exporter.len > 0) {
		m.binding_type = 2;
		m.binding = s->tls.exporter;
	} else if (s->has_tls && s->tls.end_point.len > 0) {
		m.binding_type = 1;
		m.binding = s->tls.end_point;
	}
	x->call = service_call(x->arena, "auth", span_s(CONNECT_S));
	return x->call && msg_auth_start_send(x->call, &m);
}

static struct status refuse(struct session *s, struct exchange *x, int code,
	int detail, const char *what, struct str why)
{
	struct str user = x->verdict.user;

	log_warning("%.*s: SASL %.*s authentication failed: %.*s, "
		"sasl_username=%.*s", STR_ARG(s->label),
		STR_ARG(x->mechanism), STR_ARG(why),
		STR_ARG(user.len > 0 ? user : STR("(unavailable)")));
	return status_f(s->arena, code, 7, detail, "%s: %.*s", what,
		STR_ARG(why));
}

static struct status conclude(struct session *s, struct exchange *x)
{
	switch (x->verdict.verdict) {
	case VERDICT_ACCEPTED:
		s->sasl_method = arena_copy(s->home, x->mechanism);
		s->sasl_username = arena_copy(s->home, x->verdict.user);
		return REPLY_AUTHENTICATED;
	case VERDICT_WRONG:
		return refuse(s, x, 535, 8, "Error: authentication failed",
			x->verdict.text.len > 0 ? x->verdict.text :
			STR("authentication failure"));
	case VERDICT_NO_MECHANISM:
		return refuse(s, x, 535, 8, "Error: authentication failed",
			arena_fmt(s->arena, "Invalid authentication "
			"mechanism: '%.*s'", STR_ARG(x->mechanism)));
	case VERDICT_ABORTED:
		return REPLY_AUTH_ABORTED;
	default:
		return refuse(s, x, 454, 0,
			"Temporary authentication failure",
			x->verdict.text.len > 0 ? x->verdict.text :
			STR("Connection lost to authentication server"));
	}
}

static struct status run(struct session *s, struct exchange *x,
	struct str initial_line)
{
	struct str initial = STR_NONE;

	x->verdict.verdict = VERDICT_TEMPORARY;
	if (initial_line.len > 0 && !decode(x, initial_line, &initial))
		return x->failure;
	if (!is_allowed(s, x->mechanism))
		x->verdict.verdict = VERDICT_NO_MECHANISM;
	else if (start(s, x, initial) && !converse(s, x) &&
		x->failure.code == 0)
		x->verdict.verdict = VERDICT_TEMPORARY;
	if (x->failure.code)
		return x->failure;
	return conclude(s, x);
}

/* Not in a mail transaction, not twice, RFC 4954 4. */
static bool may_start(struct session *s, struct status *refusal)
{
	if (!s->conf->smtpd_sasl_auth_enable || !s->is_esmtp ||
		(s->hidden & HIDE_AUTH))
		*refusal = REPLY_AUTH_DISABLED;
	else if (s->conf->smtpd_tls_auth_only && !s->has_tls)
		*refusal = REPLY_AUTH_NEED_TLS;
	else if (!is_offered(s))
		*refusal = REPLY_AUTH_DISABLED;
	else if (!str_is_none(s->sasl_username))
		*refusal = REPLY_AUTH_ALREADY;
	else if (s->mail)
		*refusal = REPLY_MAIL_IN_PROGRESS;
	else
		return rate_count(s, RATE_AUTH, refusal);
	return false;
}

static struct str upper(struct arena *arena, struct str text)
{
	char *copy = arena_cstr(arena, text);

	for (size_t i = 0; i < text.len; i++)
		copy[i] = (char)ascii_upper((unsigned char)copy[i]);
	return str_of(copy, text.len);
}

struct status auth(struct session *s, struct str arguments)
{
	auto_arena struct arena *arena = NULL;
	struct str mechanism = str_take_word(&arguments);
	struct exchange x = { .verdict = { .user = STR_NONE } };
	struct status status;

	if (!may_start(s, &status))
		return status;
	if (!smtp_is_mechanism(mechanism))
		return REPLY_AUTH_SYNTAX;
	arena = arena_child(s->arena);
	x.arena = arena;
	x.mechanism = upper(arena, mechanism);
	return run(s, &x, arena_copy(arena, str_trim(arguments)));
}
