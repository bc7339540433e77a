#include "session.h"

#include <errno.h>

#include "base/log.h"
#include "io/fiber.h"

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
		if (count < verbs[i].least || count > verbs[i].most) {
			io_text(s->io, "-ERR Wrong number of arguments\r\n");
			return false;
		}
		return verbs[i].run(s, str_trim(line));
	}
	io_text(s->io, "-ERR Unknown command\r\n");
	return false;
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
		io_text(s->io, "-ERR [SYS/TEMP] Idle for too long\r\n");
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
			io_text(s->io, "-ERR Line is too long\r\n");
		else
			end_of_input(s);
		s->bad = ok ? 0 : s->bad + 1;
		if (s->bad > BAD_MOST)
			s->stage = GONE;
	}
}

void session_run(struct mailbox_login *login)
{
	struct session s = { .store = login->store, .io = login->io,
		.arena = login->arena, .command = arena_child(login->arena),
		.stage = TRANSACTION, .user = login->user };

	stream_line_limit(s.io, LINE_MOST);
	if (read_messages(&s) == MAILBOX_OK) {
		io_fmt(s.io, "+OK Logged in, %zu messages\r\n", s.count);
		run_commands(&s);
	} else {
		io_text(s.io, "-ERR [SYS/TEMP] Mailbox cannot be opened "
			"now\r\n");
	}
	mailbox_close(s.inbox);
	if (!io_shutdown(s.io, span_s(10)))
		log_debug("goodbye: %m");
}
