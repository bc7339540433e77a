/*
 * POP3 before authentication, RFC 1939 4, RFC 2449, RFC 2595, RFC 5034,
 * RFC 6856.
 */
#include "session.h"

static void say(struct session *s, enum pop3_text text)
{
	io_fmt(s->io, "%s\r\n", pop3_text(s->pop3.language, text));
}

static void greet(struct session *s)
{
	say(s, POP3_READY);
}

static void verb_capa(struct session *s, struct str args)
{
	struct str names = mechanisms_text(s, " ");

	(void)args;
	io_fmt(s->io, "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n"
		"AUTH-RESP-CODE\r\nEXPIRE NEVER\r\nLOGIN-DELAY %lld\r\n"
		"UTF8\r\nLANG\r\n",
		(long long)(s->conf->pop3_login_delay.us / 1000000));
	if (!s->has_tls && server_has_tls())
		io_text(s->io, "STLS\r\n");
	if (is_secured(s))
		io_text(s->io, "USER\r\n");
	if (names.len > 0)
		io_fmt(s->io, "SASL%.*s\r\n", STR_ARG(names));
	io_text(s->io, "IMPLEMENTATION posthorn\r\n.\r\n");
}

static void verb_noop(struct session *s, struct str args)
{
	(void)args;
	io_text(s->io, "+OK\r\n");
}

static void verb_quit(struct session *s, struct str args)
{
	(void)args;
	say(s, POP3_LOGGING_OUT);
	if (!io_flush(s->io, span_s(WRITE_S)))
		s->end = "Connection lost";
	s->is_gone = true;
}

/* As STARTTLS: nothing may stand behind it. */
static void verb_stls(struct session *s, struct str args)
{
	(void)args;
	if (s->has_tls) {
		say(s, POP3_TLS_ACTIVE);
		return;
	}
	if (s->pop3.is_utf8) { /* RFC 6856 2.1 */
		say(s, POP3_TLS_AFTER_UTF8);
		return;
	}
	if (!server_has_tls()) {
		say(s, POP3_NO_TLS);
		return;
	}
	if (io_has_input(s->io)) {
		say(s, POP3_TLS_INPUT);
		s->end = "Plaintext input after STLS";
		s->is_gone = true;
		return;
	}
	say(s, POP3_TLS_BEGIN);
	s->pop3.user = STR_NONE; /* RFC 2595 4: nothing said before counts */
	if (!io_flush(s->io, span_s(WRITE_S)) || !server_tls(s))
		s->is_gone = true;
}

/* RFC 3206 for the codes. 0: nothing is said. */
static const enum pop3_text texts[OUTCOMES] = {
	[OUTCOME_WRONG] = POP3_WRONG,
	[OUTCOME_UNAVAILABLE] = POP3_AUTH_LATER,
	[OUTCOME_LOST] = POP3_AUTH_LATER,
	[OUTCOME_NO_MECHANISM] = POP3_NO_MECHANISM,
	[OUTCOME_NOT_IN_CLEAR] = POP3_NOT_IN_CLEAR,
	[OUTCOME_ABORTED] = POP3_ABORTED,
	[OUTCOME_SYNTAX] = POP3_BAD_RESPONSE,
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
		say(s, POP3_NO_NAME);
		return;
	}
	s->pop3.user = arena_copy(s->arena, args);
	io_text(s->io, "+OK\r\n");
}

/* All of the rest, blanks too, RFC 1939 7. */
static void verb_pass(struct session *s, struct str args)
{
	if (str_is_none(s->pop3.user)) {
		say(s, POP3_NAME_FIRST);
		return;
	}
	answer_outcome(s, attempt_plain(s, s->pop3.user, args));
	s->pop3.user = STR_NONE;
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

/* RFC 6856 2.1 */
static void verb_utf8(struct session *s, struct str args)
{
	(void)args;
	s->pop3.is_utf8 = true;
	say(s, POP3_UTF8_ON);
}

/* RFC 6856 3 */
static void verb_lang(struct session *s, struct str args)
{
	struct buf out = BUF_IN(s->arena);

	args = str_trim(args);
	s->pop3.has_language |= args.len > 0;
	pop3_language_change(&out, args, s->conf->pop3_language,
		&s->pop3.language);
	io_write(s->io, buf_str(&out));
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
	{ "UTF8", verb_utf8 },
	{ "LANG", verb_lang },
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
	say(s, POP3_NOT_YET);
}

const struct protocol pop3 = {
	.service = "pop3",
	.parent = "pop3d",
	.timeout = "-ERR [SYS/TEMP] Disconnected for inactivity.\r\n",
	.too_many = "-ERR Too many errors.\r\n",
	.lost = "-ERR [SYS/TEMP] Internal failure.\r\n",
	.greet = greet,
	.run_line = run_line,
};
