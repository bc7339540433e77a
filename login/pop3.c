/*
 * POP3 before authentication, RFC 1939 4, RFC 2449, RFC 2595, RFC 5034.
 */
#include "session.h"

static void say(struct session *s, const char *text)
{
	io_fmt(s->io, "%s\r\n", text);
}

static void greet(struct session *s)
{
	say(s, "+OK posthorn ready.");
}

static void verb_capa(struct session *s, struct str args)
{
	struct str names = mechanisms_text(s, " ");

	(void)args;
	say(s, "+OK");
	say(s, "TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE");
	if (!s->has_tls && server_has_tls())
		say(s, "STLS");
	if (is_secured(s))
		say(s, "USER");
	if (names.len > 0)
		io_fmt(s->io, "SASL%.*s\r\n", STR_ARG(names));
	say(s, "IMPLEMENTATION posthorn\r\n.");
}

static void verb_noop(struct session *s, struct str args)
{
	(void)args;
	say(s, "+OK");
}

static void verb_quit(struct session *s, struct str args)
{
	(void)args;
	say(s, "+OK Logging out");
	if (!io_flush(s->io, span_s(WRITE_S)))
		s->end = "Connection lost";
	s->is_gone = true;
}

/* As STARTTLS: nothing may stand behind it. */
static void verb_stls(struct session *s, struct str args)
{
	(void)args;
	if (s->has_tls) {
		say(s, "-ERR TLS is already active.");
		return;
	}
	if (!server_has_tls()) {
		say(s, "-ERR TLS support isn't enabled.");
		return;
	}
	if (io_has_input(s->io)) {
		say(s, "-ERR Plaintext input after STLS.");
		s->end = "Plaintext input after STLS";
		s->is_gone = true;
		return;
	}
	say(s, "+OK Begin TLS negotiation now.");
	s->pop3_user = STR_NONE; /* RFC 2595 4: nothing said before counts */
	if (!io_flush(s->io, span_s(WRITE_S)) || !server_tls(s))
		s->is_gone = true;
}

/* RFC 3206 for the codes. */
static const char *const texts[OUTCOMES] = {
	[OUTCOME_WRONG] = "-ERR [AUTH] Authentication failed.",
	[OUTCOME_UNAVAILABLE] =
		"-ERR [SYS/TEMP] Temporary authentication failure.",
	[OUTCOME_NO_MECHANISM] = "-ERR Unsupported authentication mechanism.",
	[OUTCOME_NOT_IN_CLEAR] = "-ERR [AUTH] Plaintext authentication "
		"disallowed on non-secure (SSL/TLS) connections.",
	[OUTCOME_ABORTED] = "-ERR Authentication aborted by client.",
	[OUTCOME_SYNTAX] = "-ERR Invalid data in response.",
};

static void answer_outcome(struct session *s, enum outcome outcome)
{
	if (texts[outcome])
		say(s, texts[outcome]);
}

static void verb_user(struct session *s, struct str args)
{
	if (!is_secured(s)) {
		say(s, texts[OUTCOME_NOT_IN_CLEAR]);
		return;
	}
	if (args.len == 0) {
		say(s, "-ERR Username is missing.");
		return;
	}
	s->pop3_user = arena_copy(s->arena, args);
	say(s, "+OK");
}

/* All of the rest, blanks too, RFC 1939 7. */
static void verb_pass(struct session *s, struct str args)
{
	if (str_is_none(s->pop3_user)) {
		say(s, "-ERR No username given.");
		return;
	}
	answer_outcome(s, attempt_plain(s, s->pop3_user, args));
	s->pop3_user = STR_NONE;
}

static void verb_auth(struct session *s, struct str args)
{
	struct str mechanism = str_take_word(&args), initial = STR_NONE;
	struct str names;

	if (mechanism.len == 0) { /* an old way to ask */
		names = mechanisms_text(s, "\r\n");
		io_fmt(s->io, "+OK%.*s\r\n.\r\n", STR_ARG(names));
		return;
	}
	args = str_trim(args);
	if (args.len > 0 && !decode_initial(s, args, &initial)) {
		say(s, texts[OUTCOME_SYNTAX]);
		return;
	}
	answer_outcome(s, attempt(s, mechanism, initial));
}

static const struct verb {
	const char *name;
	void (*run)(struct session *s, struct str args);
} verbs[] = {
	{ "CAPA", verb_capa },
	{ "NOOP", verb_noop },
	{ "QUIT", verb_quit },
	{ "STLS", verb_stls },
	{ "USER", verb_user },
	{ "PASS", verb_pass },
	{ "AUTH", verb_auth },
};

static void run_line(struct session *s, struct str line)
{
	struct str name = str_take_until(&line, ' ');

	/* PASS gets its argument as it is; the others do not mind. */
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (str_is_nocase(name, verbs[i].name)) {
			verbs[i].run(s, line);
			return;
		}
	say(s, "-ERR Unknown command, or not before login.");
}

const struct protocol pop3 = {
	.service = "pop3",
	.parent = "pop3d",
	.timeout = "-ERR [SYS/TEMP] Disconnected for inactivity.\r\n",
	.too_many = "-ERR Too many errors.\r\n",
	.greet = greet,
	.run_line = run_line,
};
