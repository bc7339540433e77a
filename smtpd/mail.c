/*
 * MAIL FROM, RFC 5321 4.1.1.2: the transaction begins.
 */
#include "smtpd/session.h"

#include "base/encode.h"
#include "base/log.h"
#include "mail/verp.h"
#include "smtp/command.h"
#include "smtp/param.h"
#include "smtp/path.h"

void mail_reset(struct session *s)
{
	struct arena *arena = s->mail ? s->mail->arena : NULL;

	if (s->mail && s->mail->submission)
		submission_cancel(s->mail->submission);
	if (s->mail)
		proxy_close(s);
	/* Their texts may be of this transaction. */
	for (size_t i = 0; i < CHECK_STAGES; i++)
		if (i >= CHECK_SENDER || s->conf->smtpd_delay_reject)
			s->deferrals[i].active = false;
	milter_reset(s);
	s->mail = NULL;
	xforward_forget(s);
	s->recipient = STR_NONE;
	s->stage = AT_START;
	arena_free(arena);
}

/* ---- parameters ---- */

static struct status unsupported(struct session *s, struct smtp_param *param)
{
	return status_f(s->arena, 555, 5, 4, "Unsupported option: %.*s%s%.*s",
		STR_ARG(param->keyword), str_is_none(param->value) ? "" : "=",
		STR_ARG(param->value));
}

static struct status take_size(struct session *s, struct mail *m,
	struct smtp_param *param)
{
	int64_t most = s->conf->message_size_limit;

	if (s->hidden & HIDE_SIZE)
		return unsupported(s, param);
	if (!str_parse_u64(param->value, INT64_MAX, &m->size))
		return REPLY_SIZE_SYNTAX;
	if (most <= 0 || m->size <= (uint64_t)most)
		return STATUS_OK;
	log_refusal(s, "reject", REPLY_TOO_BIG);
	return REPLY_TOO_BIG;
}

static struct status take_body(struct session *s, struct mail *m,
	struct smtp_param *param)
{
	if (s->hidden & HIDE_8BITMIME)
		return unsupported(s, param);
	if (str_is_nocase(param->value, "8BITMIME"))
		m->encoding = STR("8bit");
	else if (str_is_nocase(param->value, "7BIT"))
		m->encoding = STR("7bit");
	else
		return unsupported(s, param);
	return STATUS_OK;
}

static struct status take_utf8(struct session *s, struct mail *m,
	struct smtp_param *param)
{
	if (!s->conf->smtputf8_enable || (s->hidden & HIDE_SMTPUTF8) ||
		!str_is_none(param->value))
		return unsupported(s, param);
	m->flags |= SUBMIT_SMTPUTF8;
	return STATUS_OK;
}

static struct status take_ret(struct session *s, struct mail *m,
	struct smtp_param *param)
{
	if (s->hidden & HIDE_DSN)
		return REPLY_DSN_DISABLED;
	if (m->ret != DSN_RET_NONE || !smtp_ret_parse(param->value, &m->ret))
		return REPLY_RET_SYNTAX;
	return STATUS_OK;
}

static struct status take_envid(struct session *s, struct mail *m,
	struct smtp_param *param)
{
	if (s->hidden & HIDE_DSN)
		return REPLY_DSN_DISABLED;
	if (!str_is_none(m->envid) ||
		!smtp_envid_parse(m->arena, param->value, &m->envid))
		return REPLY_ENVID_SYNTAX;
	return STATUS_OK;
}

/* RFC 4954 5: who submitted it, for the log only. */
static struct status take_auth(struct session *s, struct mail *m,
	struct smtp_param *param)
{
	if (!s->conf->smtpd_sasl_auth_enable)
		return status_f(s->arena, 503, 5, 4,
			"Error: authentication disabled");
	m->sender_auth = str_is(param->value, "<>") ? param->value :
		xtext_parse(m->arena, param->value);
	for (size_t i = 0; i < m->sender_auth.len; i++)
		if (!ascii_is_print((unsigned char)m->sender_auth.p[i]))
			m->sender_auth = STR_NONE;
	if (m->sender_auth.len == 0)
		return status_f(s->arena, 501, 5, 4,
			"Error: Bad AUTH parameter syntax");
	m->sender_auth = arena_copy(m->arena, m->sender_auth);
	return STATUS_OK;
}

/* XVERP or XVERP=+= ; "=" is a delimiter, so it is no esmtp-param. */
static struct status take_verp(struct session *s, struct mail *m,
	struct str value)
{
	m->verp = str_is_none(value) ? s->conf->default_verp_delimiters :
		arena_copy(m->arena, value);
	if (!s->may_verp || (s->hidden & HIDE_VERP))
		return status_f(s->arena, 501, 5, 4,
			"Error: unauthorized XVERP");
	if (m->sender.len == 0)
		return status_f(s->arena, 503, 5, 4,
			"Error: XVERP requires non-null sender");
	if (!mail_verp_is_valid(m->verp, s->conf->verp_delimiter_filter))
		return status_f(s->arena, 501, 5, 4,
			"Error: XVERP needs two characters from %.*s",
			STR_ARG(s->conf->verp_delimiter_filter));
	return STATUS_OK;
}

static bool is_verp(struct str in, struct str *value)
{
	struct str word = str_take_word(&in);

	if (!str_is_nocase(str_first(word, 5), "XVERP"))
		return false;
	word = str_skip(word, 5);
	*value = str_take_char(&word, '=') ? word : STR_NONE;
	return word.len == 0 || !str_is_none(*value);
}

static const struct {
	const char *keyword;
	struct status (*take)(struct session *s, struct mail *m,
		struct smtp_param *param);
} params[] = {
	{ "SIZE", take_size },   /* RFC 1870 */
	{ "BODY", take_body },   /* RFC 6152 */
	{ "SMTPUTF8", take_utf8 }, /* RFC 6531 */
	{ "RET", take_ret },     /* RFC 3461 */
	{ "ENVID", take_envid },
	{ "AUTH", take_auth },   /* RFC 4954 */
};

static struct status take_param(struct session *s, struct mail *m,
	struct smtp_param *param)
{
	for (size_t i = 0; i < COUNT(params); i++)
		if (str_is_nocase(param->keyword, params[i].keyword))
			return params[i].take(s, m, param);
	return unsupported(s, param);
}

static struct status take_params(struct session *s, struct mail *m,
	struct str in)
{
	struct status status = STATUS_OK;
	struct smtp_param param;
	struct str value;

	while (status_is_ok(status)) {
		if (is_verp(in, &value)) {
			(void)str_take_word(&in);
			status = take_verp(s, m, value);
		} else if (smtp_param_take(&in, &param)) {
			status = take_param(s, m, &param);
		} else {
			break;
		}
	}
	if (!status_is_ok(status))
		return status;
	if (in.len == 0)
		return STATUS_OK;
	return status_f(s->arena, 555, 5, 4, "Unsupported option: %.*s",
		STR_ARG(str_first(in, 100)));
}

/* ---- the command ---- */

static struct status bad_syntax(struct session *s, struct str what)
{
	log_warning("Illegal address syntax from %.*s in MAIL command: %.*s",
		STR_ARG(s->label), STR_ARG(str_first(what, 100)));
	return REPLY_SENDER_SYNTAX;
}

static struct status take_sender(struct session *s, struct mail *m,
	struct str in)
{
	struct status status;
	struct str all;
	bool has_route;

	if (!smtp_keyword_take(&in, "FROM"))
		return REPLY_MAIL_SYNTAX;
	all = in;
	if (!smtp_path_take(m->arena, &in, s->conf->strict_rfc821_envelopes,
		&m->sender, &has_route) || !str_is_utf8(m->sender))
		return bad_syntax(s, all);
	/* Slices of the line end with the next one. */
	m->sender = arena_copy(m->arena, m->sender);
	status = take_params(s, m, in);
	if (!status_is_ok(status))
		return status;
	if (s->conf->strict_smtputf8 && !(m->flags & SUBMIT_SMTPUTF8) &&
		!str_is_ascii(m->sender))
		return REPLY_NEED_UTF8;
	return STATUS_OK;
}

static struct mail *new_mail(struct session *s)
{
	struct arena *arena = arena_child(s->home);
	struct mail *m = arena_new_of(arena, struct mail);

	*m = (struct mail){
		.arena = arena, .encoding = STR(""), .envid = STR_NONE,
		.sender_auth = STR_NONE, .queue_id = STR_NONE,
		.verp = STR_NONE, .command = STR_NONE,
		.arrival_us = wall_us(),
	};
	return m;
}

static struct status may_begin(struct session *s)
{
	struct status status;

	if (s->conf->smtpd_helo_required && str_is_none(s->helo))
		return REPLY_HELO_FIRST;
	if (!str_is_none(server.guard)) {
		log_warning("parameter %.*s is set and not supported: mail is "
			"not accepted", STR_ARG(server.guard));
		return REPLY_CONFIG_ERROR;
	}
	if (!rate_count(s, RATE_MESSAGE, &status))
		return status;
	return s->explains ? STATUS_OK : submit_may(false);
}

struct status mail(struct session *s, struct str arguments)
{
	struct status status = may_begin(s);

	if (!status_is_ok(status))
		return status;
	s->mail = new_mail(s);
	if (server.has_proxy)
		s->mail->command = arena_fmt(s->mail->arena, "MAIL %.*s",
			STR_ARG(arguments));
	status = take_sender(s, s->mail, arguments);
	if (status_is_ok(status))
		status = check_mail(s);
	if (status_is_ok(status) && !s->explains &&
		!s->conf->smtpd_delay_open_until_valid_rcpt)
		status = mail_open(s);
	if (status_is_ok(status))
		status = milter_mail(s, arguments);
	if (!status_is_ok(status)) {
		/* The text of the status outlives the transaction. */
		status.text = arena_copy(s->arena, status.text);
		mail_reset(s);
		return status;
	}
	s->stage = AT_MAIL;
	return REPLY_SENDER_OK;
}

/* ---- something to queue ---- */

static void log_client(struct session *s)
{
	auto_buf struct buf line = { 0 };

	buf_fmt(&line, "%.*s: client=%.*s", STR_ARG(queue_id(s)),
		STR_ARG(s->label));
	if (!str_is_none(s->sasl_username))
		buf_fmt(&line, ", sasl_method=%.*s, sasl_username=%.*s",
			STR_ARG(s->sasl_method), STR_ARG(s->sasl_username));
	if (!str_is_none(s->mail->sender_auth))
		buf_fmt(&line, ", sasl_sender=%.*s",
			STR_ARG(s->mail->sender_auth));
	xforward_log(s, &line);
	log_info("%.*s", (int)line.len, line.p);
}

static const struct {
	const char *name;
	unsigned flag;
} overrides[] = {
	{ "no_address_mappings", SUBMIT_NO_REWRITE },
	{ "no_header_body_checks", SUBMIT_NO_CHECKS },
	{ "no_milters", SUBMIT_NO_MILTERS },
};

static unsigned override_flags(const struct session *s)
{
	struct str rest = s->conf->receive_override_options, item;
	unsigned flags = 0;

	while (str_take_item(&rest, ", \t\r\n", &item))
		for (size_t i = 0; i < COUNT(overrides); i++)
			if (str_is_nocase(item, overrides[i].name))
				flags |= overrides[i].flag;
	return flags;
}

/* local_header_rewrite_clients; who forwards says what it was there. */
bool mail_is_local(struct session *s)
{
	struct str rest = s->conf->local_header_rewrite_clients, item;
	struct str value = STR("");
	struct str source = s->forwarded.values[XFORWARD_SOURCE];

	if (s->forwarded.given & 1u << XFORWARD_SOURCE)
		return str_is_nocase(source, "LOCAL");
	while (str_take_item(&rest, ", \t\r\n", &item)) {
		if (str_is_nocase(item, "permit_mynetworks") &&
			client_is_in(s, server.mynetworks))
			return true;
		if (str_is_nocase(item, "permit_sasl_authenticated") &&
			!str_is_none(s->sasl_username))
			return true;
		if (str_is_nocase(item, "permit_inet_interfaces") &&
			client_is_own(s))
			return true;
		if (str_is_nocase(item, "permit_tls_all_clientcerts") &&
			s->has_tls && s->tls.is_trusted)
			return true;
		if (str_is_nocase(item, "permit_tls_clientcerts") &&
			client_has_listed_certificate(s))
			return true;
	}
	/* What cannot be looked up is a stranger. */
	return maps_find(server.local_clients, s->mail->arena, s->address_text,
		       &value) == MAPS_FOUND;
}

struct status mail_open(struct session *s)
{
	struct mail *m = s->mail;
	struct msg_submission facts;
	struct status status;

	if (m->submission || m->proxy)
		return STATUS_OK;
	if (server.has_proxy) {
		status = proxy_open(s);
		if (status_is_ok(status))
			log_client(s);
		return status;
	}
	status = submit_id(m->arena, s->conf->enable_long_queue_ids,
		&m->queue_id);
	if (!status_is_ok(status))
		return status;
	m->flags |= override_flags(s);
	if (mail_is_local(s))
		m->flags |= SUBMIT_LOCAL_HEADERS;
	facts = (struct msg_submission){
		.queue_id = m->queue_id, .sender = m->sender,
		.arrival_us = (uint64_t)m->arrival_us, .flags = m->flags,
		.dsn_envid = m->envid, .dsn_ret = m->ret,
		.encoding = m->encoding,
		.client_name = s->name, .client_address = s->address_text,
		.client_port = s->port,
		.helo = str_is_none(s->helo) ? STR("") : s->helo,
		.protocol = s->is_esmtp ? STR("ESMTP") : STR("SMTP"),
		.sasl_method = s->sasl_method,
		.sasl_username = s->sasl_username,
		.sasl_sender = m->sender_auth,
		.content_filter = STR_NONE, .full_name = STR_NONE,
		.redirect = STR_NONE, .verp = m->verp,
	};
	xforward_fill(s, &facts);
	if (s->conf->content_filter.len > 0 && !server.is_local)
		facts.content_filter = s->conf->content_filter;
	m->submission = submission_open(m->arena, &facts);
	log_client(s);
	return STATUS_OK;
}
