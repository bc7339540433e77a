#include "session.h"

#include "imap/crlf.h"
#include "imap/format.h"

const char capabilities[] = "IMAP4rev1 IMAP4rev2 LITERAL+ UIDPLUS IDLE NAMESPACE "
	"SPECIAL-USE MOVE ID ENABLE UNSELECT CHILDREN STATUS=SIZE CONDSTORE "
	"QRESYNC WITHIN SAVEDATE ESEARCH SEARCHRES SORT SORT=DISPLAY ESORT "
	"PARTIAL THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS "
	"MULTIAPPEND BINARY PREVIEW REPLACE LIST-EXTENDED LIST-STATUS "
	"LIST-METADATA CREATE-SPECIAL-USE METADATA OBJECTID UTF8=ACCEPT "
	"NOTIFY I18NLEVEL=1 INPROGRESS APPENDLIMIT=1073741824 UIDONLY UIDBATCHES SEARCH=FUZZY "
	"COMPRESS=DEFLATE SASL-IR";

void reply(struct session *s, struct answer answer)
{
	io_fmt(s->io, "%.*s %s %.*s\r\n", STR_ARG(s->tag), answer.word,
		STR_ARG(answer.text));
}

struct answer answer_f(struct session *s, const char *word,
	const char *format, ...)
{
	va_list args;
	struct answer answer = { .word = word };

	va_start(args, format);
	answer.text = arena_vfmt(s->command, format, args);
	va_end(args);
	return answer;
}

/* Response codes of RFC 5530. */
static const char *const texts[] = {
	[MAILBOX_NONEXISTENT] = "[NONEXISTENT] Mailbox does not exist",
	[MAILBOX_EXISTS] = "[ALREADYEXISTS] Mailbox exists already",
	[MAILBOX_CANNOT] = "[CANNOT] Not possible with this name",
	[MAILBOX_HAS_CHILDREN] = "[HASCHILDREN] Mailbox has children",
	[MAILBOX_LIMIT] = "[LIMIT] Name is too long",
	[MAILBOX_NO_SPACE] = "[OVERQUOTA] No space left",
	[MAILBOX_NO_PERMISSION] = "[NOPERM] Permission denied",
	[MAILBOX_EXPUNGED] = "[EXPUNGEISSUED] Some messages are gone",
	[MAILBOX_TRY_LATER] = "[UNAVAILABLE] Internal error, try again later",
};

struct answer answer_of(enum mailbox_result result, const char *done)
{
	if (result == MAILBOX_OK)
		return (struct answer){ "OK", str_from(done) };
	return (struct answer){ "NO", str_from(texts[result]) };
}

void flags_format(struct session *s, struct buf *out,
	const struct index_message *message, bool recent)
{
	struct mailbox *m = s->view->mailbox;
	const char *gap = "";

	buf_char(out, '(');
	for (unsigned bit = IMAP_ANSWERED; bit <= IMAP_RECENT; bit <<= 1) {
		if (bit == IMAP_RECENT ? !recent || s->rev2 :
					 !(message->flags & bit))
			continue;
		buf_text(out, gap);
		buf_text(out, imap_flag_name(bit));
		gap = " ";
	}
	for (size_t i = 0; message->keywords && i < m->keyword_count; i++) {
		if (!(message->keywords >> i & 1) || !m->keywords[i])
			continue;
		buf_text(out, gap);
		buf_text(out, m->keywords[i]);
		gap = " ";
	}
	buf_char(out, ')');
}

void tell_flags(struct session *s)
{
	struct buf out = BUF_IN(s->command);
	struct mailbox *m = s->view->mailbox;

	buf_text(&out, "\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	for (size_t i = 0; i < m->keyword_count; i++)
		if (m->keywords[i])
			buf_fmt(&out, " %s", m->keywords[i]);
	io_fmt(s->io, "* FLAGS (%.*s)\r\n", STR_ARG(buf_str(&out)));
	if (s->view->read_only)
		io_text(s->io, "* OK [PERMANENTFLAGS ()] Read-only\r\n");
	else
		io_fmt(s->io, "* OK [PERMANENTFLAGS (%.*s%s)] Flags are "
			"kept\r\n", STR_ARG(buf_str(&out)),
			m->keyword_count < MAILBOX_KEYWORDS_MOST ? " \\*" :
								   "");
}

void fetch_begin(struct session *s, struct buf *out, uint32_t seq,
	uint32_t uid)
{
	buf_text(out, "* ");
	buf_u64(out, s->uid_only ? uid : seq);
	buf_text(out, s->uid_only ? " UIDFETCH (" : " FETCH (");
}

void tell_message_flags(struct session *s, uint32_t seq, bool with_flags)
{
	uint32_t uid = mailbox_view_uid(s->view, seq);
	struct mailbox_message *m = mailbox_find(s->view->mailbox, uid);
	struct buf out = BUF_IN(s->command);

	if (!m)
		return;
	fetch_begin(s, &out, seq, uid);
	if (!s->uid_only && (s->is_uid || s->condstore || s->notify))
		buf_fmt(&out, "UID %u ", uid);
	if (s->condstore)
		buf_fmt(&out, "MODSEQ (%llu) ",
			(unsigned long long)m->is.modseq);
	if (with_flags) {
		buf_text(&out, "FLAGS ");
		flags_format(s, &out, &m->is, s->view->recent[seq - 1]);
	} else if (out.p[out.len - 1] == ' ') {
		out.len--;
	}
	buf_text(&out, ")\r\n");
	io_write(s->io, buf_str(&out));
}

void close_view(struct session *s)
{
	if (s->watcher.wake)
		mailbox_unwatch(&s->watcher);
	s->watcher = (struct mailbox_watcher){ 0 };
	if (s->view)
		notify_left(s);
	mailbox_view_close(s->view);
	s->view = NULL;
	s->batches = (struct batches){ 0 };
	if (s->stage == SELECTED)
		s->stage = AUTHENTICATED;
}

void use_condstore(struct session *s)
{
	if (!s->condstore && s->view)
		io_fmt(s->io, "* OK [HIGHESTMODSEQ %llu] Highest\r\n",
			(unsigned long long)s->view->mailbox->row.modseq);
	s->condstore = true;
}

void tell_count(struct session *s)
{
	io_fmt(s->io, "* %zu EXISTS\r\n", s->view->count);
	if (!s->rev2)
		io_fmt(s->io, "* %zu RECENT\r\n", s->view->recent_count);
}

static void tell_expunged(struct session *s, const struct mailbox_news *news)
{
	struct buf out = BUF_IN(s->command);
	struct imap_set set = { 0 };

	for (size_t i = 0; i < news->expunged_count; i++) {
		if (s->qresync || s->uid_only)
			imap_set_add(s->command, &set, news->vanished[i]);
		else
			io_fmt(s->io, "* %u EXPUNGE\r\n",
				news->expunged[i]);
	}
	if (set.count == 0)
		return;
	imap_set_format(&out, &set);
	io_fmt(s->io, "* VANISHED %.*s\r\n", STR_ARG(buf_str(&out)));
}

/* RFC 5465 5.2: those that came from elsewhere. */
static void tell_new(struct session *s, size_t count)
{
	const struct imap_fetch *fetch = notify_fetch(s);
	struct mailbox_view *view = s->view;
	uint32_t *uids;
	size_t kept = 0;

	if (!fetch)
		return;
	uids = arena_array(s->command, count, sizeof(*uids));
	for (size_t i = view->count - count; i < view->count; i++)
		if (!notify_is_own_message(s, view->uids[i]))
			uids[kept++] = view->uids[i];
	notify_forget_own_messages(s);
	fetch_tell(s, fetch, uids, kept);
}

void tell_news(struct session *s, unsigned look)
{
	struct mailbox_news news;

	if (!mailbox_view_has_news(s->view, look))
		return;
	mailbox_view_look(s->view, s->command, look, &news);
	if (news.is_gone) {
		io_text(s->io, "* BYE Mailbox was removed\r\n");
		s->stage = GONE;
		return;
	}
	tell_expunged(s, &news);
	if (news.has_keywords)
		tell_flags(s);
	if (news.new_count)
		tell_count(s);
	for (size_t i = 0; i < news.changed_count; i++)
		tell_message_flags(s, news.changed[i], true);
	if (news.new_count)
		tell_new(s, news.new_count);
}

void write_crlf(struct session *s, struct str text, uint64_t from,
	uint64_t most)
{
	struct imap_crlf crlf = imap_crlf_of(text);
	char piece[4096];
	size_t len;

	while (most > 0 && (len = imap_crlf_take(&crlf, piece,
		sizeof(piece))) > 0) {
		struct str part = str_of(piece, len);

		if (from >= len) {
			from -= len;
			continue;
		}
		part = str_skip(part, (size_t)from);
		from = 0;
		part = str_first(part, most < part.len ? (size_t)most :
			part.len);
		most -= part.len;
		io_write(s->io, part);
	}
}
