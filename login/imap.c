/*
 * IMAP before authentication, RFC 3501 6.1 and 6.2.
 */
#include "session.h"

#include <errno.h>

#include "imap/take.h"

enum {
	LITERALS_MOST = 4, /* of one command */
};

static void answer(struct session *s, const char *text)
{
	io_fmt(s->io, "%.*s %s\r\n", STR_ARG(s->tag), text);
}

/* ---- what we can ---- */

static struct str capabilities(struct session *s)
{
	bool can_tls = !s->has_tls && server_has_tls();

	return arena_fmt(s->arena, "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR "
		"ID%s%s%.*s",
		can_tls ? " STARTTLS" : "",
		is_secured(s) ? "" : " LOGINDISABLED",
		STR_ARG(mechanisms_text(s, " AUTH=")));
}

static void greet(struct session *s)
{
	io_fmt(s->io, "* OK [CAPABILITY %.*s] posthorn ready.\r\n",
		STR_ARG(capabilities(s)));
}

static void verb_capability(struct session *s, struct str args)
{
	(void)args;
	io_fmt(s->io, "* CAPABILITY %.*s\r\n", STR_ARG(capabilities(s)));
	answer(s, "OK Pre-login capabilities listed, post-login capabilities "
		"have more.");
}

static void verb_noop(struct session *s, struct str args)
{
	(void)args;
	answer(s, "OK NOOP completed.");
}

/* RFC 2971: what it says is not ours to keep. */
static void verb_id(struct session *s, struct str args)
{
	(void)args;
	io_text(s->io, "* ID (\"name\" \"posthorn\")\r\n");
	answer(s, "OK ID completed.");
}

static void verb_logout(struct session *s, struct str args)
{
	(void)args;
	io_text(s->io, "* BYE Logging out\r\n");
	answer(s, "OK Logout completed.");
	if (!io_flush(s->io, span_s(WRITE_S)))
		s->end = "Connection lost";
	s->is_gone = true;
}

/* What was sent in the clear behind STARTTLS is somebody's attack. */
static void verb_starttls(struct session *s, struct str args)
{
	(void)args;
	if (s->has_tls) {
		answer(s, "BAD TLS is already active.");
		return;
	}
	if (!server_has_tls()) {
		answer(s, "BAD TLS support isn't enabled.");
		return;
	}
	if (io_has_input(s->io)) {
		answer(s, "BAD Plaintext input after STARTTLS.");
		s->end = "Plaintext input after STARTTLS";
		s->is_gone = true;
		return;
	}
	answer(s, "OK Begin TLS negotiation now.");
	if (!io_flush(s->io, span_s(WRITE_S)) || !server_tls(s))
		s->is_gone = true;
}

/* ---- who it is ---- */

/* RFC 5530 for the codes; NULL: nobody is there to hear it. */
static const char *const texts[OUTCOMES] = {
	[OUTCOME_WRONG] = "NO [AUTHENTICATIONFAILED] Authentication failed.",
	[OUTCOME_UNAVAILABLE] = "NO [UNAVAILABLE] Temporary authentication "
		"failure.",
	[OUTCOME_LOST] = "NO [UNAVAILABLE] Temporary authentication failure.",
	[OUTCOME_NO_MECHANISM] = "NO Unsupported authentication mechanism.",
	[OUTCOME_NOT_IN_CLEAR] = "NO [PRIVACYREQUIRED] Plaintext "
		"authentication disallowed on non-secure (SSL/TLS) "
		"connections.",
	[OUTCOME_ABORTED] = "BAD Authentication aborted by client.",
	[OUTCOME_SYNTAX] = "BAD Invalid data in response.",
};

static void answer_outcome(struct session *s, enum outcome outcome)
{
	if (texts[outcome])
		answer(s, texts[outcome]);
}

static void verb_login(struct session *s, struct str args)
{
	struct str user, password;

	if (!imap_take_astring(s->arena, &args, &user) ||
		!str_take_char(&args, ' ') ||
		!imap_take_astring(s->arena, &args, &password) ||
		args.len > 0) {
		answer(s, "BAD Error in IMAP command LOGIN: Invalid "
			"arguments.");
		return;
	}
	answer_outcome(s, attempt_plain(s, user, password));
}

/* RFC 4959: an initial response may follow; RFC 3501 6.2.2. */
static void verb_authenticate(struct session *s, struct str args)
{
	struct str mechanism, initial = STR_NONE;

	if (!imap_take_atom(&args, &mechanism) ||
		(args.len > 0 && !str_take_char(&args, ' ')) ||
		(args.len > 0 && !decode_initial(s, args, &initial))) {
		answer(s, "BAD Error in IMAP command AUTHENTICATE: Invalid "
			"arguments.");
		return;
	}
	answer_outcome(s, attempt(s, mechanism, initial));
}

/* ---- commands ---- */

static const struct verb {
	const char *name;
	void (*run)(struct session *s, struct str args);
	bool arguments;
} verbs[] = {
	{ "CAPABILITY", verb_capability, false },
	{ "NOOP", verb_noop, false },
	{ "ID", verb_id, true },
	{ "LOGOUT", verb_logout, false },
	{ "STARTTLS", verb_starttls, false },
	{ "LOGIN", verb_login, true },
	{ "AUTHENTICATE", verb_authenticate, true },
};

static void run_command(struct session *s, struct str command)
{
	struct str name;

	if (!imap_take_tag(&command, &s->tag) ||
		!str_take_char(&command, ' ') ||
		!imap_take_atom(&command, &name)) {
		if (str_is_none(s->tag) || s->tag.len == 0)
			s->tag = STR("*");
		answer(s, "BAD Error in IMAP command: Missing or bad tag or "
			"command name.");
		return;
	}
	s->tag = arena_copy(s->arena, s->tag);
	for (size_t i = 0; i < COUNT(verbs); i++) {
		const struct verb *verb = &verbs[i];

		if (!str_is_nocase(name, verb->name))
			continue;
		if (str_take_char(&command, ' ') != verb->arguments) {
			answer(s, "BAD Error in IMAP command: Wrong "
				"arguments.");
			return;
		}
		verb->run(s, command);
		return;
	}
	answer(s, "BAD Error in IMAP command: Unknown command, or not before "
		"login.");
}

/* One literal and the line behind it. False: the connection is over. */
static bool add_literal(struct session *s, struct buf *command,
	uint64_t octets, bool plus)
{
	struct str piece;

	if (!plus && !io_text(s->io, "+ OK\r\n"))
		return false;
	buf_text(command, "\r\n");
	if (octets > 0) {
		if (!io_read(s->io, (size_t)octets, &piece,
			    s->conf->login_timeout))
			return false;
		buf_add(command, piece);
	}
	if (!io_line(s->io, &piece, s->conf->login_timeout))
		return false;
	buf_add(command, piece);
	return true;
}

/* A literal that is too long and already under way ends the connection. */
static void refuse_literal(struct session *s, struct str command, bool plus)
{
	if (!imap_take_tag(&command, &s->tag))
		s->tag = STR("*");
	answer(s, "BAD Error in IMAP command: Literal is too long.");
	if (!plus)
		return;
	s->end = "Too long a literal";
	s->is_gone = true;
	if (!io_flush(s->io, span_s(WRITE_S)))
		s->end = "Connection lost";
}

static void run_line(struct session *s, struct str line)
{
	auto_arena struct arena *arena = arena_child(s->arena);
	struct buf command = BUF_IN(arena);
	uint64_t octets;
	bool plus;

	buf_add(&command, line);
	s->tag = STR_NONE;
	for (unsigned i = 0; imap_literal_follows(line, &octets, &plus); i++) {
		size_t before = command.len;

		if (i == LITERALS_MOST || octets > LINE_MOST - before ||
			command.len > LINE_MOST) {
			refuse_literal(s, buf_str(&command), plus);
			return;
		}
		if (!add_literal(s, &command, octets, plus)) {
			s->is_gone = true;
			return;
		}
		line = str_skip(buf_str(&command), before + 2 + octets);
	}
	run_command(s, buf_str(&command));
}

const struct protocol imap = {
	.service = "imap",
	.parent = "imapd",
	.timeout = "* BYE Disconnected for inactivity.\r\n",
	.too_many = "* BYE Too many errors.\r\n",
	.lost = "* BYE [UNAVAILABLE] Internal failure.\r\n",
	.greet = greet,
	.run_line = run_line,
};
