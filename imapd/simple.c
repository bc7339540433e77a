/*
 * Verbs that need no mailbox: CAPABILITY, NOOP, LOGOUT, ID, ENABLE, NAMESPACE.
 */
#include "session.h"

struct answer verb_capability(struct session *s, struct str args)
{
	(void)args;
	io_fmt(s->io, "* CAPABILITY %s\r\n", capabilities);
	return OK_("Capability completed");
}

/* NOOP and CHECK: a look at what other programs did, too. */
struct answer verb_noop(struct session *s, struct str args)
{
	(void)args;
	if (s->view && mailbox_refresh(s->view->mailbox,
		!s->view->read_only) == MAILBOX_TRY_LATER)
		return answer_of(MAILBOX_TRY_LATER, NULL);
	return OK_("Completed");
}

struct answer verb_logout(struct session *s, struct str args)
{
	(void)args;
	io_text(s->io, "* BYE Logging out\r\n");
	close_view(s);
	s->stage = GONE;
	return OK_("Logout completed");
}

struct answer verb_again(struct session *s, struct str args)
{
	(void)s;
	(void)args;
	return BAD_("Logged in already");
}

/* RFC 2971: NIL, or a list of up to 30 pairs; we only look at the form. */
struct answer verb_id(struct session *s, struct str args)
{
	struct str field, value;

	if (!str_take_prefix_nocase(&args, STR("NIL"))) {
		if (!str_take_char(&args, '('))
			return BAD_SYNTAX;
		while (args.len > 0 && args.p[0] != ')') {
			str_take_char(&args, ' ');
			if (!imap_take_string(s->command, &args, &field) ||
				!str_take_char(&args, ' ') ||
				!imap_take_nstring(s->command, &args, &value))
				return BAD_SYNTAX;
		}
		if (!str_take_char(&args, ')'))
			return BAD_SYNTAX;
	}
	if (args.len > 0)
		return BAD_SYNTAX;
	io_text(s->io, "* ID (\"name\" \"posthorn\")\r\n");
	return OK_("ID completed");
}

struct answer verb_enable(struct session *s, struct str args)
{
	struct str name;

	io_text(s->io, "* ENABLED");
	do {
		if (!imap_take_atom(&args, &name)) {
			io_text(s->io, "\r\n");
			return BAD_SYNTAX;
		}
		if (str_is_nocase(name, "CONDSTORE")) {
			s->condstore = true;
			io_text(s->io, " CONDSTORE");
		}
	} while (str_take_char(&args, ' '));
	io_text(s->io, "\r\n");
	return args.len ? BAD_SYNTAX : OK_("Enabled");
}

struct answer verb_namespace(struct session *s, struct str args)
{
	(void)args;
	io_text(s->io, "* NAMESPACE ((\"\" \".\")) NIL NIL\r\n");
	return OK_("Namespace completed");
}
