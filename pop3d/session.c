#include "session.h"

#include <errno.h>

#include "base/log.h"
#include "io/fiber.h"
#include "uidl.h"

struct settings settings;

void session_prepare(const struct conf *conf)
{
	settings.conf = conf;
	settings.uidl_format = conf->pop3_uidl_format;
	if (uidl_format_is_good(settings.uidl_format))
		return;
	log_warning("pop3_uidl_format: \"%.*s\" is no format of unique IDs",
		STR_ARG(settings.uidl_format));
	settings.uidl_format = STR("%08Xu%08Xv");
}

bool say(struct session *s, enum pop3_text text)
{
	const char *reply = pop3_text(s->language, text);

	io_fmt(s->io, "%s\r\n", reply);
	return *reply == '+';
}

/* RFC 1939 5 and 7, RFC 2449 5. */
static const struct verb {
	const char *name;
	bool (*run)(struct session *, struct str args);
	unsigned least, most; /* arguments */
} verbs[] = {
	{ "STAT", verb_stat, 0, 0 },
	{ "LIST", verb_list, 0, 1 },
	{ "UIDL", verb_uidl, 0, 1 },
	{ "RETR", verb_retr, 1, 1 },
	{ "TOP",  verb_top,  2, 2 },
	{ "DELE", verb_dele, 1, 1 },
	{ "RSET", verb_rset, 0, 0 },
	{ "NOOP", verb_noop, 0, 0 },
	{ "CAPA", verb_capa, 0, 0 },
	{ "LANG", verb_lang, 0, 1 }, /* RFC 6856 3 */
	{ "UTF8", verb_utf8, 0, 0 },
	{ "QUIT", verb_quit, 0, 0 },
};

static unsigned words(struct str text)
{
	unsigned count = 0;

	text = str_trim(text);
	while (text.len > 0) {
		str_take_word(&text);
		text = str_trim(text);
		count++;
	}
	return count;
}

static bool run_line(struct session *s, struct str line)
{
	struct str name = str_take_word(&line);

	for (size_t i = 0; i < COUNT(verbs); i++) {
		unsigned count;

		if (!str_is_nocase(name, verbs[i].name))
			continue;
		count = words(line);
		if (count < verbs[i].least || count > verbs[i].most)
			return say(s, POP3_BAD_COUNT);
		return verbs[i].run(s, str_trim(line));
	}
	return say(s, POP3_UNKNOWN);
}

/* The sizes are of the CRLF form, which is what RETR sends. */
static enum mailbox_result read_messages(struct session *s)
{
	enum mailbox_result result = mailbox_open(s->store, STR("INBOX"),
		&s->inbox);
	size_t kept = 0;

	if (result != MAILBOX_OK) {
		s->inbox = NULL;
		return result;
	}
	result = mailbox_refresh(s->inbox, true);
	if (result != MAILBOX_OK)
		return result;
	s->count = s->inbox->count;
	s->messages = arena_array(s->arena, s->count + 1,
		sizeof(*s->messages));
	for (size_t i = 0; i < s->count; i++)
		s->messages[i].uid = s->inbox->messages[i].is.uid;
	for (size_t i = 0; i < s->count; i++) {
		struct message m = { .uid = s->messages[i].uid };

		result = mailbox_size(s->inbox, m.uid, &m.octets);
		if (result == MAILBOX_OK)
			s->messages[kept++] = m;
		else if (result != MAILBOX_EXPUNGED)
			return result;
		if (i % 64 == 63)
			io_yield();
	}
	s->count = kept;
	mailbox_keep_learned(s->inbox);
	return MAILBOX_OK;
}

static void end_of_input(struct session *s)
{
	if (errno == ECANCELED)
		io_uncancel();
	if (errno == ETIMEDOUT)
		say(s, POP3_IDLE);
	s->stage = GONE;
}

static void run_commands(struct session *s)
{
	struct str line;

	while (s->stage != GONE) {
		bool ok = false;

		arena_reset(s->command);
		if (io_line(s->io, &line, IDLE_LIMIT))
			ok = run_line(s, line);
		else if (errno == EMSGSIZE)
			say(s, POP3_TOO_LONG);
		else
			end_of_input(s);
		s->bad = ok ? 0 : s->bad + 1;
		if (s->bad > BAD_MOST)
			s->stage = GONE;
	}
}

/* What was read is \Seen to IMAP clients; that it could not be marked is no
 * reason to say anything. */
static void mark_seen(struct session *s)
{
	const struct imap_flags flags = { .system = IMAP_SEEN };
	struct mailbox_change change = { .mode = MAILBOX_FLAGS_ADD,
		.flags = &flags };
	uint32_t *uids;
	size_t count = 0;

	if (!s->inbox)
		return;
	uids = arena_array(s->arena, s->count + 1, sizeof(*uids));
	for (size_t i = 0; i < s->count; i++)
		if (s->messages[i].seen &&
			mailbox_find(s->inbox, s->messages[i].uid))
			uids[count++] = s->messages[i].uid;
	if (count > 0 && mailbox_change(s->inbox, uids, count, &change) !=
		MAILBOX_OK)
		log_debug("%.*s: messages stay unseen", STR_ARG(s->user));
}

static void serve(struct session *s)
{
	enum pop3_text why;

	if (!enter(s, &why)) {
		say(s, why);
		return;
	}
	if (read_messages(s) != MAILBOX_OK) {
		say(s, POP3_NO_MAILBOX);
		return;
	}
	io_fmt(s->io, "+OK %zu %s\r\n", s->count,
		pop3_text(s->language, POP3_MESSAGES));
	run_commands(s);
	io_take_back(s->io);
	mailbox_ahead_end(s->ahead);
	mark_seen(s);
}

void session_run(struct mailbox_login *login)
{
	struct session s = { .store = login->store, .io = login->io,
		.arena = login->arena, .command = arena_child(login->arena),
		.stage = TRANSACTION, .user = login->user, .lock = -1,
		.is_utf8 = login->is_utf8 };

	if (!pop3_language_find(login->language, STR("en"), &s.language))
		s.language = POP3_ENGLISH;
	stream_line_limit(s.io, LINE_MOST);
	serve(&s);
	mailbox_close(s.inbox);
	leave(&s);
	if (!io_shutdown(s.io, span_s(10)))
		log_debug("goodbye: %m");
}
