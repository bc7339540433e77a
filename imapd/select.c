/*
 * SELECT, EXAMINE, CLOSE, UNSELECT, STATUS.
 */
#include "session.h"

#include "mailbox/background.h"

/* " (CONDSTORE)", " (QRESYNC (...))" */
static bool take_params(struct session *s, struct str *in,
	struct qresync *qresync)
{
	struct str word;

	if (in->len == 0)
		return true;
	if (!str_take_prefix(in, STR(" (")))
		return false;
	do {
		if (!imap_take_atom(in, &word))
			return false;
		if (str_is_nocase(word, "CONDSTORE"))
			s->condstore = true;
		else if (!str_is_nocase(word, "QRESYNC") || !s->qresync ||
			!qresync_take(s, in, qresync))
			return false;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')') && in->len == 0;
}

static void tell_first_unseen(struct session *s)
{
	uint32_t uid = mailbox_first_unseen(s->view->mailbox);
	uint32_t seq = uid ? mailbox_view_seq(s->view, uid) : 0;

	if (seq)
		io_fmt(s->io, "* OK [UNSEEN %u] First unseen\r\n", seq);
}

static void tell_mailbox(struct session *s)
{
	const struct index_mailbox *row = &s->view->mailbox->row;

	tell_flags(s);
	tell_count(s);
	if (!s->rev2 && !s->uid_only)
		tell_first_unseen(s);
	io_fmt(s->io, "* OK [UIDVALIDITY %u] UIDs valid\r\n",
		row->uidvalidity);
	io_fmt(s->io, "* OK [UIDNEXT %u] Predicted next UID\r\n",
		row->uidnext);
	io_fmt(s->io, "* OK [HIGHESTMODSEQ %llu] Highest\r\n",
		(unsigned long long)row->modseq);
	io_fmt(s->io, "* OK [MAILBOXID (%s)] Its id\r\n",
		mailbox_id(s->view->mailbox, s->command));
	if (s->rev2)
		list_tell(s, str_from(s->view->mailbox->name));
}

static void wake(void *context)
{
	session_wake(context);
}

static struct answer open_mailbox(struct session *s, struct str args,
	bool read_only)
{
	struct qresync qresync = { 0 };
	struct mailbox *mailbox;
	enum mailbox_result result;
	struct str name, said;

	if (!name_take_said(s, &args, &name, &said) ||
		!take_params(s, &args, &qresync))
		return BAD_SYNTAX;
	if (s->uid_only && qresync.seqs.count > 0)
		return BAD_("[UIDREQUIRED] No sequence numbers");
	if (s->view) {
		close_view(s);
		io_text(s->io, "* OK [CLOSED] Previous mailbox closed\r\n");
	}
	result = mailbox_open(s->store, name, &mailbox);
	if (result == MAILBOX_OK)
		result = mailbox_view_open(mailbox, read_only, &s->view);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	s->stage = SELECTED;
	s->watcher = (struct mailbox_watcher){ .wake = wake, .context = s };
	mailbox_watch(mailbox, &s->watcher);
	mailbox_background(s->store);
	tell_mailbox(s);
	list_tell_said(s, name, said);
	qresync_tell(s, &qresync);
	return read_only ? OK_("[READ-ONLY] Examine completed") :
			   OK_("[READ-WRITE] Select completed");
}

struct answer verb_select(struct session *s, struct str args)
{
	return open_mailbox(s, args, false);
}

struct answer verb_examine(struct session *s, struct str args)
{
	return open_mailbox(s, args, true);
}

/* Expunges in silence, RFC 3501 6.4.2. */
struct answer verb_close(struct session *s, struct str args)
{
	enum mailbox_result result = MAILBOX_OK;
	bool all_told = !mailbox_view_has_news(s->view, MAILBOX_LOOK_ALL);
	struct mailbox_news own;

	(void)args;
	if (!s->view->read_only)
		result = mailbox_expunge(s->view->mailbox, s->view->uids,
			s->view->count, false);
	if (all_told)
		mailbox_view_look(s->view, s->command, MAILBOX_LOOK_ALL, &own);
	close_view(s);
	return answer_of(result, "Close completed");
}

struct answer verb_unselect(struct session *s, struct str args)
{
	(void)args;
	close_view(s);
	return OK_("Unselect completed");
}

static const struct {
	const char *name;
	unsigned bit;
} items_of_status[] = {
	{ "MESSAGES", STATUS_MESSAGES },
	{ "RECENT", STATUS_RECENT },
	{ "UIDNEXT", STATUS_UIDNEXT },
	{ "UIDVALIDITY", STATUS_UIDVALIDITY },
	{ "UNSEEN", STATUS_UNSEEN },
	{ "SIZE", STATUS_SIZE }, /* RFC 8438 */
	{ "HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ }, /* RFC 7162 3.1.6 */
	{ "DELETED", STATUS_DELETED }, /* RFC 9051 6.3.11 */
	{ "APPENDLIMIT", STATUS_APPENDLIMIT }, /* RFC 7889 */
	{ "MAILBOXID", STATUS_MAILBOXID }, /* RFC 8474 4.3 */
};

bool status_items_take(struct str *in, unsigned *items)
{
	*items = 0;
	if (!str_take_char(in, '('))
		return false;
	do {
		struct str word;
		unsigned bit = 0;

		if (!imap_take_atom(in, &word))
			return false;
		for (size_t i = 0; i < COUNT(items_of_status); i++)
			if (str_is_nocase(word, items_of_status[i].name))
				bit = items_of_status[i].bit;
		if (bit == 0)
			return false;
		*items |= bit;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

/* Sizes are learned on the way; a message that vanished counts nothing. */
static uint64_t size_of_all(struct mailbox *m)
{
	uint64_t sum = 0, size;

	for (size_t i = 0; i < m->count; i++) {
		if (mailbox_size(m, m->messages[i].is.uid, &size) ==
			MAILBOX_OK)
			sum += size;
		if (i % 64 == 63)
			io_yield();
	}
	return sum;
}

/* m: NULL where the row is enough. */
static uint64_t value_of(struct mailbox *m, const struct index_mailbox *row,
	unsigned item)
{
	uint64_t count = 0;

	switch (item) {
	case STATUS_MESSAGES:
		return row->messages;
	case STATUS_UNSEEN:
		return row->unseen;
	case STATUS_DELETED:
		return row->deleted;
	case STATUS_UIDNEXT:
		return row->uidnext;
	case STATUS_UIDVALIDITY:
		return row->uidvalidity;
	case STATUS_HIGHESTMODSEQ:
		return row->modseq;
	case STATUS_APPENDLIMIT:
		return APPEND_MOST;
	case STATUS_SIZE:
		return m ? size_of_all(m) : 0;
	case STATUS_RECENT:
		for (size_t i = 0; m && i < m->count; i++)
			count += m->messages[i].is.uid >= row->recent_from;
		return count;
	}
	return 0;
}

static void format_status(struct session *s, struct buf *out, struct str name,
	unsigned items, struct mailbox *m, const struct index_mailbox *row)
{
	const char *gap = "";

	buf_text(out, "* STATUS ");
	name_format(s, out, mailbox_name_of(name));
	buf_text(out, " (");
	for (size_t i = 0; i < COUNT(items_of_status); i++) {
		unsigned item = items_of_status[i].bit;

		if (!(items & item))
			continue;
		buf_fmt(out, "%s%s ", gap, items_of_status[i].name);
		if (item == STATUS_MAILBOXID)
			buf_fmt(out, "(%s)", mailbox_id_of(row, s->command));
		else
			buf_u64(out, value_of(m, row, item));
		gap = " ";
	}
	buf_text(out, ")\r\n");
}

/* False: the index alone does not tell. */
static bool tell_known(struct session *s, struct str name, unsigned items,
	bool is_met)
{
	struct buf out = BUF_IN(s->command);
	bool is_told = items & (STATUS_UIDVALIDITY | STATUS_MAILBOXID);
	struct index_mailbox row;

	if (items & STATUS_SIZE)
		return false;
	if (is_met && !is_told ?
		!mailbox_store_status_met(s->store, name, &row) :
		!mailbox_store_status(s->store, name, is_told, &row))
		return false;
	if ((items & STATUS_RECENT) && row.recent_from < row.uidnext)
		return false;
	format_status(s, &out, name, items, NULL, &row);
	io_write(s->io, buf_str(&out));
	return true;
}

enum mailbox_result status_tell(struct session *s, struct str name,
	unsigned items, bool is_met)
{
	struct buf out = BUF_IN(s->command);
	struct mailbox *m;
	enum mailbox_result result;

	if (tell_known(s, name, items, is_met))
		return MAILBOX_OK;
	result = mailbox_open(s->store, name, &m);
	if (result != MAILBOX_OK)
		return result;
	mailbox_count(m);
	format_status(s, &out, name, items, m, &m->row);
	mailbox_close(m);
	io_write(s->io, buf_str(&out));
	return MAILBOX_OK;
}

struct answer verb_status(struct session *s, struct str args)
{
	struct str name;
	unsigned items;

	if (!name_take(s, &args, &name) ||
		!str_take_char(&args, ' ') ||
		!status_items_take(&args, &items) || args.len > 0)
		return BAD_SYNTAX;
	if (items & STATUS_HIGHESTMODSEQ)
		use_condstore(s);
	return answer_of(status_tell(s, name, items, false), "Status completed");
}
