/*
 * Verbs that need no mailbox: CAPABILITY, NOOP, LOGOUT, ID, ENABLE, NAMESPACE.
 */
#include "session.h"

struct answer verb_capability(struct session *s, struct str args)
{
	(void)args;
	io_fmt(s->io, "* CAPABILITY %s MESSAGELIMIT=%u\r\n", capabilities,
		s->limit);
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

static void enable_condstore(struct session *s)
{
	use_condstore(s);
}

static void enable_qresync(struct session *s)
{
	use_condstore(s);
	s->qresync = true;
}

static void enable_utf8(struct session *s)
{
	s->utf8 = true;
}

static void enable_rev2(struct session *s)
{
	s->utf8 = s->rev2 = true;
}

/* RFC 9586 3: VANISHED stands for EXPUNGE. */
static void enable_uid_only(struct session *s)
{
	s->uid_only = true;
}

static const struct {
	const char *name;
	void (*enable)(struct session *);
} extensions[] = {
	{ "CONDSTORE", enable_condstore },
	{ "QRESYNC", enable_qresync },
	{ "UTF8=ACCEPT", enable_utf8 },
	{ "IMAP4rev2", enable_rev2 },
	{ "UIDONLY", enable_uid_only },
};

/* RFC 5161: what is not known is passed over. */
struct answer verb_enable(struct session *s, struct str args)
{
	struct buf out = BUF_IN(s->command);
	bool on[COUNT(extensions)] = { false };
	struct str name;

	do {
		if (!imap_take_atom(&args, &name))
			return BAD_SYNTAX;
		for (size_t i = 0; i < COUNT(extensions); i++)
			if (str_is_nocase(name, extensions[i].name))
				on[i] = true;
	} while (str_take_char(&args, ' '));
	if (args.len > 0)
		return BAD_SYNTAX;
	for (size_t i = 0; i < COUNT(extensions); i++) {
		if (!on[i])
			continue;
		extensions[i].enable(s);
		buf_fmt(&out, " %s", extensions[i].name);
	}
	io_fmt(s->io, "* ENABLED%.*s\r\n", STR_ARG(buf_str(&out)));
	return OK_("Enabled");
}

struct answer verb_namespace(struct session *s, struct str args)
{
	(void)args;
	io_fmt(s->io, "* NAMESPACE ((\"%.*s\" \"%c\")) NIL NIL\r\n",
		STR_ARG(s->ns->prefix), s->ns->separator);
	return OK_("Namespace completed");
}
