/*
 * RCPT TO, RFC 5321 4.1.1.3.
 */
#include "smtpd/session.h"

#include "base/log.h"
#include "smtp/command.h"
#include "smtp/param.h"
#include "smtp/path.h"

static struct status unsupported(struct session *s, struct str option)
{
	return status_f(s->mail->arena, 555, 5, 4, "Unsupported option: %.*s",
		STR_ARG(str_first(option, 100)));
}

/* NOTIFY and ORCPT, RFC 3461 4. */
static struct status take_param(struct session *s, struct smtp_param *param,
	struct msg_recipient *recipient)
{
	bool is_notify = str_is_nocase(param->keyword, "NOTIFY");
	unsigned notify;

	if (!is_notify && !str_is_nocase(param->keyword, "ORCPT"))
		return unsupported(s, param->keyword);
	if (s->hidden & HIDE_DSN)
		return REPLY_DSN_DISABLED;
	if (is_notify) {
		if (recipient->notify ||
			!smtp_notify_parse(param->value, &notify))
			return REPLY_NOTIFY_SYNTAX;
		recipient->notify = notify;
		return STATUS_OK;
	}
	if (!str_is_none(recipient->orcpt) || !smtp_orcpt_parse(param->value))
		return REPLY_ORCPT_SYNTAX;
	recipient->orcpt = param->value;
	return STATUS_OK;
}

static struct status take_params(struct session *s, struct str in,
	struct msg_recipient *recipient)
{
	struct smtp_param param;

	while (smtp_param_take(&in, &param)) {
		struct status status = take_param(s, &param, recipient);

		if (!status_is_ok(status))
			return status;
	}
	return in.len == 0 ? STATUS_OK : unsupported(s, in);
}

static struct status bad_syntax(struct session *s, struct str what)
{
	log_warning("Illegal address syntax from %.*s in RCPT command: %.*s",
		STR_ARG(s->label), STR_ARG(str_first(what, 100)));
	return REPLY_RECIPIENT_SYNTAX;
}

static struct status take_recipient(struct session *s, struct str in,
	struct msg_recipient *recipient)
{
	struct str all;
	struct status status;
	bool has_route;

	*recipient = (struct msg_recipient){
		.orig = STR_NONE, .orcpt = STR_NONE,
	};
	if (!smtp_keyword_take(&in, "TO"))
		return REPLY_RCPT_SYNTAX;
	all = in;
	if (!smtp_path_take(s->mail->arena, &in,
		s->conf->strict_rfc821_envelopes, &recipient->address,
		&has_route) || recipient->address.len == 0 ||
		!str_is_utf8(recipient->address))
		return bad_syntax(s, all);
	recipient->address = arena_copy(s->mail->arena, recipient->address);
	status = take_params(s, in, recipient);
	if (!status_is_ok(status))
		return status;
	if (s->conf->strict_smtputf8 && !str_is_ascii(recipient->address) &&
		!(s->mail->flags & SUBMIT_SMTPUTF8))
		return REPLY_NEED_UTF8;
	return STATUS_OK;
}

/* Postfix's two limits: beyond the second it is an error, too. */
static struct status too_many(struct session *s)
{
	struct mail *m = s->mail;

	if ((int64_t)m->overshoot++ <
		s->conf->smtpd_recipient_overshoot_limit) {
		reply_free(s, REPLY_TOO_MANY_RCPT);
		return REPLIED;
	}
	return REPLY_TOO_MANY_RCPT;
}

static struct status accept_recipient(struct session *s,
	const struct msg_recipient *recipient, struct str arguments)
{
	struct mail *m = s->mail;
	struct status status = mail_open(s);

	if (status_is_ok(status) && m->proxy)
		status = proxy_rcpt(s, arguments);
	if (!status_is_ok(status))
		return status;
	if (!m->proxy)
		submission_recipient(m->submission, recipient);
	if (m->recipients++ == 0)
		m->first_recipient = recipient->address;
	s->stage = AT_RCPT;
	return REPLY_RECIPIENT_OK;
}

struct status rcpt(struct session *s, struct str arguments)
{
	struct msg_recipient recipient;
	struct status status;

	if (!rate_count(s, RATE_RECIPIENT, &status))
		return status;
	status = take_recipient(s, arguments, &recipient);
	if (!status_is_ok(status))
		return status;
	if ((int64_t)s->mail->recipients >= s->conf->smtpd_recipient_limit)
		return too_many(s);
	s->recipient = recipient.address;
	status = check_rcpt(s);
	if (status_is_ok(status))
		status = milter_rcpt(s, arguments);
	else
		milter_refused_rcpt(s, arguments, &status);
	s->recipient = STR_NONE;
	if (s->explains && status_is_ok(status))
		return REPLY_RECIPIENT_OK; /* and that is all */
	return status_is_ok(status) ?
		accept_recipient(s, &recipient, arguments) : status;
}
