/*
 * LHLO; and what begins the conversation anew: STARTTLS, XCLIENT.
 */
#include "lmtpd/session.h"

#include "base/log.h"
#include "smtp/command.h"
#include "smtp/xclient.h"

static bool may_xclient(struct session *s)
{
	return match_host(server.proxies, s->arena, STR_NONE, s->peer) ==
		MAPS_FOUND;
}

struct status verb_lhlo(struct session *s, struct str arguments)
{
	struct buf out = BUF_IN(s->arena);

	if (!smtp_is_hello(arguments))
		return STATUS(501, 5, 4, "Syntax: LHLO hostname");
	mail_end(s);
	s->hello = arena_copy(s->home, arguments);
	s->stage = AT_IDLE;
	buf_fmt(&out, "%.*s\nPIPELINING\nENHANCEDSTATUSCODES\n8BITMIME\n"
		"CHUNKING\nDSN\n", STR_ARG(s->conf->myhostname));
	if (s->conf->smtputf8_enable)
		buf_text(&out, "SMTPUTF8\n");
	if (may_start_tls(s))
		buf_text(&out, "STARTTLS\n");
	if (may_xclient(s))
		buf_fmt(&out, "XCLIENT %s\n", smtp_xclient_names);
	buf_fmt(&out, "SIZE %lld",
		(long long)s->conf->message_size_limit);
	return (struct status){ 250, SMTP_NO_ENHANCED, SMTP_NO_ENHANCED,
		buf_str(&out) };
}

/* ---- STARTTLS, RFC 3207 ---- */

/* What comes in the clear behind it is somebody's attack. */
static struct status refuse_input(struct session *s)
{
	log_warning("improper command pipelining after STARTTLS from %.*s",
		STR_ARG(s->label));
	s->is_gone = true;
	return REPLY_PIPELINING;
}

/* RFC 3207 4.2: nothing that was said before counts. */
static void forget(struct session *s)
{
	mail_end(s);
	s->hello = STR_NONE;
	s->stage = AT_START;
}

struct status verb_starttls(struct session *s, struct str arguments)
{
	if (arguments.len > 0)
		return REPLY_STARTTLS_SYNTAX;
	if (s->has_tls)
		return REPLY_TLS_ACTIVE;
	if (s->is_unix ||
		(!server.tls.context && str_is_none(server.tls.problem)))
		return REPLY_TLS_NOT_ENABLED;
	if (!server.tls.context)
		return REPLY_TLS_UNAVAILABLE;
	if (io_has_input(s->io))
		return refuse_input(s);
	answer(s, REPLY_READY_TLS);
	if (!io_flush(s->io, s->conf->smtpd_timeout)) {
		s->is_gone = true;
		return ANSWERED;
	}
	forget(s);
	(void)!tls_begin(s);
	return ANSWERED;
}

bool tls_begin(struct session *s)
{
	s->is_gone = true;
	if (!tls_accept(s->home, s->io, server.tls.context,
		s->conf->smtpd_starttls_timeout, &s->tls)) {
		log_info("SSL_accept error from %.*s: %.*s",
			STR_ARG(s->label), STR_ARG(s->tls.failure));
		return false;
	}
	s->has_tls = true;
	if (!str_is(s->conf->smtpd_tls_loglevel, "0"))
		tls_log(&s->tls, "from", s->label);
	if (s->conf->smtpd_tls_req_ccert && server.tls.is_required &&
		!s->tls.is_trusted) {
		answer(s, STATUS(421, 7, 1,
			"Error: client certificate required"));
		return false;
	}
	s->is_gone = false;
	return true;
}

/* ---- XCLIENT ---- */

/* What is named replaces what is known; what is said to be unknown, too. */
static void take(struct session *s, const struct smtp_xclient *x,
	enum smtp_xclient_attribute at, const char *unknown, struct str *value)
{
	if (!(x->given & 1u << at))
		return;
	if (str_is_none(x->values[at]))
		*value = unknown ? str_from(unknown) : STR_NONE;
	else
		*value = arena_copy(s->home, x->values[at]);
}

/* The client's own rights stay what they are: this is for the log, for
 * Received: and for virtual. */
struct status verb_xclient(struct session *s, struct str arguments)
{
	struct smtp_xclient x;

	if (!may_xclient(s))
		return REPLY_INSUFFICIENT;
	if (s->mail)
		return REPLY_MAIL_IN_PROGRESS;
	if (!smtp_xclient_parse(s->arena, arguments, &x))
		return (struct status){ 501, 5, 4, x.problem };
	take(s, &x, XCLIENT_NAME, "unknown", &s->name);
	take(s, &x, XCLIENT_ADDR, "unknown", &s->address);
	take(s, &x, XCLIENT_PORT, "0", &s->port);
	take(s, &x, XCLIENT_PROTO, "LMTP", &s->protocol);
	take(s, &x, XCLIENT_HELO, NULL, &s->helo);
	take(s, &x, XCLIENT_LOGIN, NULL, &s->login);
	s->label = arena_fmt(s->home, "%.*s[%.*s]", STR_ARG(s->name),
		STR_ARG(s->address));
	forget(s);
	return greeting(s);
}
