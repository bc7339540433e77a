/*
 * The verbs of the TRANSACTION state.
 */
#include "session.h"

#include "imap/crlf.h"
#include "surrogate.h"
#include "uidl.h"

enum {
	PIECE = 4096, /* octets that are converted at once */
	LINE_USUAL = 64, /* octets of a line of UIDL; it may be longer */
};

/* A message that is there and not marked as deleted; else it is said. */
static struct message *take_message(struct session *s, struct str *args)
{
	struct str word = str_take_word(args);
	uint64_t number;

	if (!str_parse_u64(word, UINT32_MAX, &number)) {
		say(s, POP3_BAD_NUMBER);
		return NULL;
	}
	if (number == 0 || number > s->count) {
		say(s, POP3_NO_MESSAGE);
		return NULL;
	}
	if (s->messages[number - 1].deleted) {
		say(s, POP3_IS_DELETED);
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
	const struct mailbox_message *now = mailbox_find_whole(s->inbox,
		m->uid);
	const struct uidl uidl = { m->uid, s->inbox->row.uidvalidity,
		now ? str_from(now->name) : STR("") };
	struct buf out = BUF_IN(s->command);

	(void)!buf_room(&out, LINE_USUAL);
	buf_text(&out, before);
	buf_u64(&out, (uint64_t)(m - s->messages) + 1);
	buf_char(&out, ' ');
	uidl_format(&out, settings.uidl_format, &uidl);
	buf_text(&out, "\r\n");
	io_write(s->io, buf_str(&out));
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
	io_fmt(s->io, "+OK %zu %s (%llu %s)\r\n", count,
		pop3_text(s->language, POP3_MESSAGES),
		(unsigned long long)octets,
		pop3_text(s->language, POP3_OCTETS));
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

/* The next line with its end. */
static struct str take_line(struct str *text)
{
	size_t lf = str_find_char(*text, '\n');
	struct str line = lf == SIZE_MAX ? *text : str_first(*text, lf + 1);

	*text = str_skip(*text, line.len);
	return line;
}

static bool is_empty(struct str line)
{
	return line.len > 0 && (line.p[0] == '\n' ||
		(line.p[0] == '\r' && line.len == 2));
}

/* The header with its empty line. */
static struct str take_header(struct str *text)
{
	struct str all = *text, line = { 0 };

	while (text->len > 0 && !is_empty(line))
		line = take_line(text);
	return str_first(all, all.len - text->len);
}

/* How much of a body is `most` lines. */
static struct str first_lines(struct str body, uint64_t most)
{
	struct str all = body;

	while (most-- > 0 && body.len > 0)
		(void)take_line(&body);
	return str_first(all, all.len - body.len);
}

/* With a dot before a dot (RFC 1939 3), and CRLF, also behind the last line. */
static void send_lines(struct session *s, struct str text)
{
	struct imap_crlf crlf = imap_crlf_of(text);
	char piece[PIECE];
	size_t len;

	crlf.dots = true;
	while ((len = imap_crlf_take(&crlf, piece, sizeof(piece))) > 0)
		io_write(s->io, str_of(piece, len));
	if (text.len > 0 && !str_ends(text, STR("\n")))
		io_text(s->io, "\r\n");
}

/* RFC 6856 2.1: without UTF8 nothing but ASCII stands in a header. */
static struct str header_for(struct session *s, struct str header)
{
	struct buf out = BUF_IN(s->command);

	if (s->is_utf8 || str_is_ascii(header))
		return header;
	surrogate_format(&out, header);
	return buf_str(&out);
}

static bool send_message(struct session *s, const struct message *m,
	uint64_t most)
{
	enum mailbox_result result;
	struct str text, header;

	if (!m)
		return false;
	result = mailbox_read(s->inbox, m->uid, s->command, 0, &text);
	if (result != MAILBOX_OK)
		return say(s, result == MAILBOX_EXPUNGED ? POP3_IS_GONE :
			POP3_UNREADABLE);
	io_fmt(s->io, "+OK %llu %s\r\n", (unsigned long long)m->octets,
		pop3_text(s->language, POP3_OCTETS));
	header = take_header(&text);
	send_lines(s, header_for(s, header));
	send_lines(s, most == UINT64_MAX ? text : first_lines(text, most));
	io_text(s->io, ".\r\n");
	return true;
}

/* Most clients ask for one message after the other: from the second one on the
 * next ones are read before they do. */
static void follow(struct session *s, const struct message *m)
{
	size_t at = (size_t)(m - s->messages);
	bool in_order = at > 0 && at == s->expected;
	uint32_t *uids;

	s->expected = at + 1;
	if (in_order == (s->ahead != NULL))
		return;
	io_take_back(s->io);
	mailbox_ahead_end(s->ahead);
	s->ahead = NULL;
	if (!in_order)
		return;
	uids = arena_array(s->arena, s->count - at, sizeof(*uids));
	for (size_t i = at; i < s->count; i++)
		uids[i - at] = s->messages[i].uid;
	s->ahead = mailbox_ahead_begin(s->inbox, uids, s->count - at,
		MAILBOX_AHEAD_DOTTED);
}

/* It goes as it is. Most messages are ASCII as a whole, which is seen sooner
 * than where the header ends. */
static bool is_plain(const struct session *s, struct str text)
{
	return s->is_utf8 || str_is_ascii(text) ||
		str_is_ascii(take_header(&text));
}

/* False: not from what was read ahead. */
static bool send_ahead(struct session *s, const struct message *m)
{
	struct str text;
	uint64_t octets;

	follow(s, m);
	if (mailbox_ahead_takes_back(s->ahead, m->uid))
		io_take_back(s->io);
	if (!mailbox_ahead_find(s->ahead, m->uid, &text, &octets))
		return false;
	if (!is_plain(s, text))
		return false;
	io_fmt(s->io, "+OK %llu %s\r\n", (unsigned long long)m->octets,
		pop3_text(s->language, POP3_OCTETS));
	io_lend(s->io, text);
	if (!str_ends(text, STR("\n")))
		io_text(s->io, "\r\n");
	io_text(s->io, ".\r\n");
	return true;
}

bool verb_retr(struct session *s, struct str args)
{
	struct message *m = take_message(s, &args);
	bool ok = m && (send_ahead(s, m) || send_message(s, m, UINT64_MAX));

	if (ok)
		m->seen = true;
	return ok;
}

bool verb_top(struct session *s, struct str args)
{
	const struct message *m = take_message(s, &args);
	uint64_t lines;

	if (m && !str_parse_u64(str_take_word(&args), INT64_MAX, &lines))
		return say(s, POP3_BAD_LINES);
	return m && send_message(s, m, lines);
}

bool verb_dele(struct session *s, struct str args)
{
	struct message *m = take_message(s, &args);

	if (!m)
		return false;
	m->deleted = true;
	return say(s, POP3_MARKED);
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
	return io_fmt(s->io, "+OK Capability list follows\r\n"
		"TOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\n"
		"AUTH-RESP-CODE\r\nEXPIRE NEVER\r\nLOGIN-DELAY %lld\r\n"
		"UTF8\r\nLANG\r\nIMPLEMENTATION posthorn\r\n.\r\n",
		(long long)(settings.conf->pop3_login_delay.us / 1000000));
}

bool verb_lang(struct session *s, struct str args)
{
	struct buf out = BUF_IN(s->command);

	pop3_language_change(&out, args, settings.conf->pop3_language,
		&s->language);
	io_write(s->io, buf_str(&out));
	return out.p[0] == '+';
}

/* RFC 6856 2: in the AUTHORIZATION state only. */
bool verb_utf8(struct session *s, struct str args)
{
	(void)args;
	return say(s, POP3_UTF8_TOO_LATE);
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
	return say(s, result == MAILBOX_OK ? POP3_GOODBYE : POP3_NOT_REMOVED);
}
