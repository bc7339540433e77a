/*
 * STORE and EXPUNGE.
 */
#include "session.h"

struct store {
	struct imap_set set, modified;
	struct mailbox_change change;
	struct imap_flags flags;
	bool silent;
};

static bool take_mode(struct str *in, struct store *store)
{
	store->change.mode = str_take_char(in, '+') ? MAILBOX_FLAGS_ADD :
		str_take_char(in, '-') ? MAILBOX_FLAGS_REMOVE :
					 MAILBOX_FLAGS_REPLACE;
	if (!str_take_prefix_nocase(in, STR("FLAGS")))
		return false;
	store->silent = str_take_prefix_nocase(in, STR(".SILENT"));
	return str_take_char(in, ' ');
}

static bool parse(struct session *s, struct str in, struct store *store)
{
	struct mailbox_change *change = &store->change;

	*store = (struct store){ 0 };
	if (!imap_set_take(s->command, &in, &store->set) ||
		!str_take_char(&in, ' '))
		return false;
	if (str_take_prefix_nocase(&in, STR("(UNCHANGEDSINCE "))) {
		if (!imap_take_number64(&in, &change->unchanged_since) ||
			!str_take_prefix(&in, STR(") ")))
			return false;
		change->has_unchanged_since = true;
		use_condstore(s);
	}
	change->flags = &store->flags;
	change->modified = &store->modified;
	change->arena = s->command;
	return take_mode(&in, store) &&
		imap_take_flags(&in, true, &store->flags) && in.len == 0;
}

/* Everyone hears of a change; the one who made it with .SILENT does not. */
static bool tell_changed(struct session *s, struct store *store,
	const uint32_t *uids, size_t count)
{
	bool gone = false;

	for (size_t i = 0; i < count; i++) {
		struct mailbox_message *m =
			mailbox_find(s->view->mailbox, uids[i]);
		bool changed = m && m->is.modseq == store->change.modseq;

		gone = gone || !m;
		if (!m || (store->silent && !(s->condstore && changed)))
			continue;
		tell_message_flags(s, mailbox_view_seq(s->view, uids[i]),
			!store->silent);
	}
	return gone;
}

/* RFC 7162 3.1.3: the set is of the kind that the command used. NO: others of
 * its messages are gone. */
static struct answer modified(struct session *s, struct store *store,
	bool gone)
{
	struct buf out = BUF_IN(s->command);
	struct imap_set seqs = { 0 };

	for (size_t i = 0; !s->is_uid && i < store->modified.count; i++) {
		struct imap_range r = store->modified.ranges[i];

		for (uint32_t uid = r.from; uid <= r.to; uid++)
			imap_set_add(s->command, &seqs,
				mailbox_view_seq(s->view, uid));
	}
	imap_set_format(&out, s->is_uid ? &store->modified : &seqs);
	return answer_f(s, gone ? "NO" : "OK",
		"[MODIFIED %.*s] Conditional store failed",
		STR_ARG(buf_str(&out)));
}

struct answer verb_store(struct session *s, struct str args)
{
	enum mailbox_result result;
	struct store store;
	uint32_t *uids;
	size_t count;
	bool gone;

	if (!parse(s, args, &store))
		return BAD_SYNTAX;
	if (!mailbox_view_uids(s->view, s->command, &store.set, s->is_uid,
		&uids, &count))
		return BAD_("No such message");
	if (s->view->read_only)
		return NO_("[READ-ONLY] Mailbox is open read-only");
	limit_uids(s, &uids, &count);
	result = mailbox_change(s->view->mailbox, uids, count, &store.change);
	if (result == MAILBOX_LIMIT) /* RFC 5530 3 */
		return answer_f(s, "NO", "[LIMIT] At most %d keywords in one "
			"mailbox", MAILBOX_KEYWORDS_MOST);
	if (result != MAILBOX_OK)
		return answer_of(result, NULL);
	mailbox_view_told(s->view, uids, count, store.change.modseq);
	gone = tell_changed(s, &store, uids, count);
	if (store.modified.count)
		return modified(s, &store, gone && !s->is_uid);
	if (gone && !s->is_uid)
		return answer_of(MAILBOX_EXPUNGED, NULL);
	return OK_("Store completed");
}

/* Those that EXPUNGE is about; messages of a limit are such. */
static void only_deleted(struct session *s, uint32_t *uids, size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		const struct mailbox_message *m =
			mailbox_find(s->view->mailbox, uids[i]);

		if (m && (m->is.flags & IMAP_DELETED))
			uids[kept++] = uids[i];
	}
	*count = kept;
}

/* EXPUNGE, or UID EXPUNGE of RFC 4315 2.1; tell_news says what went. */
struct answer verb_expunge(struct session *s, struct str args)
{
	const uint32_t *uids = s->view->uids;
	uint32_t *some = NULL;
	size_t count = s->view->count;
	enum mailbox_result result;
	struct imap_set set;

	if (s->is_uid && (!imap_set_take(s->command, &args, &set) ||
		args.len > 0 || !mailbox_view_uids(s->view, s->command, &set,
			true, &some, &count)))
		return BAD_SYNTAX;
	if (s->view->read_only)
		return NO_("[READ-ONLY] Mailbox is open read-only");
	if (s->is_uid) {
		only_deleted(s, some, &count);
		limit_uids(s, &some, &count);
		uids = some;
	}
	result = mailbox_expunge(s->view->mailbox, uids, count, false);
	if (result != MAILBOX_OK || !s->qresync)
		return answer_of(result, "Expunge completed");
	return answer_f(s, "OK", "[HIGHESTMODSEQ %llu] Expunge completed",
		(unsigned long long)s->view->mailbox->row.modseq);
}
