/*
 * The verbs that need little.
 */
#include "smtpd/session.h"

#include "base/log.h"
#include "smtp/path.h"

enum { QMGR_S = 60 };

struct status rset(struct session *s, struct str arguments)
{
	if (arguments.len > 0)
		return REPLY_RSET_SYNTAX;
	mail_reset(s);
	transcript_may_flush(s);
	return REPLY_OK;
}

struct status noop(struct session *s, struct str arguments)
{
	(void)s;
	(void)arguments;
	return REPLY_OK;
}

/* RFC 5321 3.5.3: 252, whether it exists or not is told at RCPT. */
struct status vrfy(struct session *s, struct str arguments)
{
	struct str in = arguments, address;
	struct status status;
	bool has_route;

	if (s->conf->disable_vrfy_command)
		return REPLY_VRFY_DISABLED;
	if (arguments.len == 0)
		return REPLY_VRFY_SYNTAX;
	/* A name, or a mailbox without < >. */
	if (!smtp_path_take(s->arena, &in, false, &address, &has_route) || in.len > 0 || address.len == 0 ||
		!str_is_utf8(address))
		return REPLY_RECIPIENT_SYNTAX;
	s->recipient = address;
	status = check_rcpt(s);
	s->recipient = STR_NONE;
	if (!status_is_ok(status))
		return status;
	return status_f(s->arena, 252, 0, 0, "%.*s", STR_ARG(arguments));
}

/* ---- ETRN, RFC 1985 ---- */

static struct status unavailable(struct session *s, struct str domain)
{
	return status_f(s->arena, 459, 7, 0, "<%.*s>: service unavailable",
		STR_ARG(domain));
}

/* qmgr tries what it has for that domain. */
static struct status ask_for(struct session *s, struct str domain)
{
	struct call *call = service_call(s->arena, "qmgr", span_s(QMGR_S));
	struct msg_flush_site m = { .site = domain };
	struct msg_flushing answer = { .code = 458 };

	if (!call || !msg_flush_site_send(call, &m) ||
		!msg_flushing_recv(call, &answer, span_s(QMGR_S)))
		log_warning("ETRN: qmgr: %m");
	if (call)
		call_close(call);
	switch (answer.code) {
	case 250:
		return REPLY_FLUSHING;
	case 459:
		return unavailable(s, domain);
	default:
		return REPLY_NOT_FLUSHING;
	}
}

struct status etrn(struct session *s, struct str arguments)
{
	struct str rest = arguments, domain = str_take_word(&rest);
	struct status status;

	if (s->conf->smtpd_helo_required && str_is_none(s->helo))
		return REPLY_HELO_FIRST;
	if (domain.len == 0 || str_trim(rest).len > 0)
		return REPLY_ETRN_SYNTAX;
	if (domain.p[0] == '@' || domain.p[0] == '#') /* RFC 1985 5.3 */
		domain = str_skip(domain, 1);
	if (!smtp_is_domain(domain))
		return REPLY_ETRN_DOMAIN;
	domain = arena_lower(s->arena, domain);
	s->etrn = domain;
	status = check_etrn(s);
	s->etrn = STR_NONE;
	if (!status_is_ok(status))
		return status;
	return service_is_alone() ? unavailable(s, domain) :
		ask_for(s, domain);
}

struct status help(struct session *s, struct str arguments)
{
	(void)arguments;
	return status_f(s->arena, 214, 0, 0, "Commands: EHLO HELO MAIL RCPT "
		"DATA BDAT RSET NOOP VRFY AUTH STARTTLS HELP QUIT");
}

struct status quit(struct session *s, struct str arguments)
{
	(void)arguments;
	s->is_gone = s->has_quit = true;
	return REPLY_BYE;
}
