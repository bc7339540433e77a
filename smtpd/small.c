/*
 * The verbs that need little.
 */
#include "smtpd/session.h"

#include "smtp/path.h"

struct status rset(struct session *s, struct str arguments)
{
	if (arguments.len > 0)
		return REPLY_RSET_SYNTAX;
	mail_reset(s);
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
	if (!smtp_path_take(s->arena, &in, s->conf->strict_rfc821_envelopes,
		&address, &has_route) || in.len > 0 || address.len == 0 ||
		!str_is_utf8(address))
		return REPLY_RECIPIENT_SYNTAX;
	s->recipient = address;
	status = check_rcpt(s);
	s->recipient = STR_NONE;
	if (!status_is_ok(status))
		return status;
	return status_f(s->arena, 252, 0, 0, "%.*s", STR_ARG(arguments));
}

struct status etrn(struct session *s, struct str arguments)
{
	if (arguments.len == 0)
		return status_f(s->arena, 500, SMTP_NO_ENHANCED,
			SMTP_NO_ENHANCED, "Syntax: ETRN domain");
	return status_f(s->arena, 459, 7, 0, "<%.*s>: service unavailable",
		STR_ARG(str_first(arguments, 255)));
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
	s->is_gone = true;
	return REPLY_BYE;
}
