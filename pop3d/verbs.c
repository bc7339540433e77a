/*
 * The verbs of the TRANSACTION state.
 */
#include "session.h"

static const char capabilities[] =
	"+OK Capability list follows\r\n"
	"TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n"
	"EXPIRE NEVER\r\nLOGIN-DELAY 0\r\nIMPLEMENTATION posthorn\r\n.\r\n";

/* A message that is there and not marked as deleted; else it is said. */
static struct message *take_message(struct session *s, struct str *args)
{
	struct str word = str_take_word(args);
	uint64_t number;

	if (!str_parse_u64(word, UINT32_MAX, &number)) {
		io_text(s->io, "-ERR Not a message number\r\n");
		return NULL;
	}
	if (number == 0 || number > s->count) {
		io_text(s->io, "-ERR No such message\r\n");
		return NULL;
	}
	if (s->messages[number - 1].deleted) {
		io_text(s->io, "-ERR Message is deleted\r\n");
		return NULL;
	}
	return &s->messages[number - 1];
}

static void count_messages(struct session *s, size_t *count, uint64_t *octets)
{
	*count = 0;
	*octets = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (s->messages[i].deleted)
			continue;
		(*count)++;
		*octets += s->messages[i].octets;
	}
}

bool verb_stat(struct session *s, struct str args)
{
	size_t count;
	uint64_t octets;

	(void)args;
	count_messages(s, &count, &octets);
	return io_fmt(s->io, "+OK %zu %llu\r\n", count,
		(unsigned long long)octets);
}

static void list_line(struct session *s, const char *before,
	const struct message *m)
{
	io_fmt(s->io, "%s%zu %llu\r\n", before,
		(size_t)(m - s->messages) + 1, (unsigned long long)m->octets);
}

/* Stable as long as the mailbox is: RFC 1939 7. */
static void uidl_line(struct session *s, const char *before,
	const struct message *m)
{
	io_fmt(s->io, "%s%zu %08x%08x\r\n", before,
		(size_t)(m - s->messages) + 1, m->uid,
		s->inbox->row.uidvalidity);
}

static bool list_or_one(struct session *s, struct str args,
	void (*line)(struct session *, const char *, const struct message *))
{
	const struct message *m;
	size_t count;
	uint64_t octets;

	if (args.len > 0) {
		m = take_message(s, &args);
		if (m)
			line(s, "+OK ", m);
		return m != NULL;
	}
	count_messages(s, &count, &octets);
	io_fmt(s->io, "+OK %zu messages (%llu octets)\r\n", count,
		(unsigned long long)octets);
	for (size_t i = 0; i < s->count; i++)
		if (!s->messages[i].deleted)
			line(s, "", &s->messages[i]);
	return io_text(s->io, ".\r\n");
}

bool verb_list(struct session *s, struct str args)
{
	return list_or_one(s, args, list_line);
}

bool verb_uidl(struct session *s, struct str args)
{
	return list_or_one(s, args, uidl_line);
}

/* Line by line, with a dot before a dot (RFC 1939 3), up to `most` lines of
 * the body. */
static void send_lines(struct session *s, struct str text, uint64_t most)
{
	bool in_body = false;

	while (text.len > 0 && !(in_body && most == 0)) {
		size_t lf = str_find_char(text, '\n');
		size_t len = lf == SIZE_MAX ? text.len : lf;
		struct str line = str_first(text, len);

		if (lf != SIZE_MAX && line.len > 0 &&
			line.p[line.len - 1] == '\r')
			line.len--;
		text = str_skip(text, lf == SIZE_MAX ? len : len + 1);
		if (line.len > 0 && line.p[0] == '.')
			io_text(s->io, ".");
		io_write(s->io, line);
		io_text(s->io, "\r\n");
		if (in_body)
			most--;
		else if (line.len == 0)
			in_body = true;
	}
	io_text(s->io, ".\r\n");
}

static bool send_message(struct session *s, const struct message *m,
	uint64_t most)
{
	enum mailbox_result result;
	struct str text;

	if (!m)
		return false;
	result = mailbox_read(s->inbox, m->uid, s->command, 0, &text);
	if (result != MAILBOX_OK)
		return io_text(s->io, result == MAILBOX_EXPUNGED ?
			"-ERR Message is gone\r\n" :
			"-ERR [SYS/TEMP] Message cannot be read now\r\n");
	io_fmt(s->io, "+OK %llu octets\r\n", (unsigned long long)m->octets);
	send_lines(s, text, most);
	return true;
}

/* What was read is \Seen to IMAP clients; that it could not be marked is no
 * reason not to give it. */
static void mark_seen(struct session *s, uint32_t uid)
{
	const struct imap_flags flags = { .system = IMAP_SEEN };
	struct mailbox_change change = { .mode = MAILBOX_FLAGS_ADD,
		.flags = &flags };

	if (mailbox_change(s->inbox, &uid, 1, &change) != MAILBOX_OK)
		return;
}

bool verb_retr(struct session *s, struct str args)
{
	const struct message *m = take_message(s, &args);
	bool ok = send_message(s, m, UINT64_MAX);

	if (ok)
		mark_seen(s, m->uid);
	return ok;
}

bool verb_top(struct session *s, struct str args)
{
	const struct message *m = take_message(s, &args);
	uint64_t lines;

	if (m && !str_parse_u64(str_take_word(&args), INT64_MAX, &lines)) {
		io_text(s->io, "-ERR Not a number of lines\r\n");
		return false;
	}
	return m && send_message(s, m, lines);
}

bool verb_dele(struct session *s, struct str args)
{
	struct message *m = take_message(s, &args);

	if (!m)
		return false;
	m->deleted = true;
	return io_text(s->io, "+OK Marked\r\n");
}

bool verb_rset(struct session *s, struct str args)
{
	(void)args;
	for (size_t i = 0; i < s->count; i++)
		s->messages[i].deleted = false;
	return io_text(s->io, "+OK\r\n");
}

bool verb_noop(struct session *s, struct str args)
{
	(void)args;
	return io_text(s->io, "+OK\r\n");
}

bool verb_capa(struct session *s, struct str args)
{
	(void)args;
	return io_text(s->io, capabilities);
}

/* The UPDATE state: only here is anything removed. */
bool verb_quit(struct session *s, struct str args)
{
	uint32_t *uids = arena_array(s->command, s->count + 1, sizeof(*uids));
	enum mailbox_result result = MAILBOX_OK;
	size_t count = 0;

	(void)args;
	for (size_t i = 0; i < s->count; i++)
		if (s->messages[i].deleted)
			uids[count++] = s->messages[i].uid;
	if (count)
		result = mailbox_expunge(s->inbox, uids, count, true);
	for (size_t i = 0; i < count; i++)
		if (mailbox_find(s->inbox, uids[i]))
			result = MAILBOX_TRY_LATER;
	s->stage = GONE;
	return io_text(s->io, result == MAILBOX_OK ? "+OK Goodbye\r\n" :
		"-ERR [SYS/TEMP] Some messages were not removed\r\n");
}
