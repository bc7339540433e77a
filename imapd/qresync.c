/*
 * QRESYNC, RFC 7162 3.2: a client that knows the mailbox from before hears
 * what has changed, with the command that opens it.
 */
#include "session.h"

static bool take_match_data(struct session *s, struct str *in,
	struct qresync *qresync)
{
	return str_take_char(in, '(') &&
		imap_set_take(s->command, in, &qresync->seqs) &&
		str_take_char(in, ' ') &&
		imap_set_take(s->command, in, &qresync->uids) &&
		str_take_char(in, ')');
}

bool qresync_take(struct session *s, struct str *in, struct qresync *qresync)
{
	if (!str_take_prefix(in, STR(" (")) ||
		!imap_take_nz_number(in, &qresync->uidvalidity) ||
		!str_take_char(in, ' ') ||
		!imap_take_number64(in, &qresync->modseq))
		return false;
	qresync->is_given = true;
	if (str_take_char(in, ' ') && in->len > 0 && in->p[0] != '(') {
		if (!imap_set_take(s->command, in, &qresync->known) ||
			qresync->known.is_saved)
			return false;
		str_take_char(in, ' ');
	}
	if (in->len > 0 && in->p[0] == '(' &&
		!take_match_data(s, in, qresync))
		return false;
	return str_take_char(in, ')');
}

bool tell_vanished(struct session *s, const struct imap_set *set,
	uint64_t after, uint32_t from)
{
	struct buf out = BUF_IN(s->command);
	struct imap_set vanished;

	if (mailbox_vanished(s->view->mailbox, s->command, set, after, from,
		&vanished) != MAILBOX_OK)
		return false;
	if (vanished.count == 0)
		return true;
	imap_set_format(&out, &vanished);
	return io_fmt(s->io, "* VANISHED (EARLIER) %.*s\r\n",
		STR_ARG(buf_str(&out)));
}

/* A walk over the numbers of a set. */
struct walk {
	const struct imap_set *set;
	size_t range;
	uint32_t number; /* 0: before the first of the range */
};

static bool next_number(struct walk *w, uint32_t *number)
{
	const struct imap_range *r;

	if (w->range == w->set->count)
		return false;
	r = &w->set->ranges[w->range];
	*number = w->number = w->number ? w->number + 1 : r->from;
	if (w->number >= r->to) {
		w->range++;
		w->number = 0;
	}
	return *number != 0;
}

/* RFC 7162 3.2.5.2: up to the last pair that is still true, the client knows
 * what is gone. */
static uint32_t first_unknown(struct session *s,
	const struct qresync *qresync)
{
	struct walk seqs = { .set = &qresync->seqs };
	struct walk uids = { .set = &qresync->uids };
	uint32_t seq, uid, from = 1;

	while (next_number(&seqs, &seq) && next_number(&uids, &uid) &&
		mailbox_view_uid(s->view, seq) == uid)
		from = uid + 1;
	return from;
}

/* View and mailbox are both in order of their uids. */
static void tell_changed(struct session *s, const struct imap_set *known,
	uint64_t after)
{
	struct mailbox *m = s->view->mailbox;
	uint32_t seq = 1;

	if (m->row.modseq <= after)
		return;
	for (size_t i = 0; i < m->count; i++) {
		const struct index_message *is = &m->messages[i].is;

		if (is->modseq <= after || !imap_set_has(known, is->uid))
			continue;
		while (seq <= s->view->count &&
			mailbox_view_uid(s->view, seq) < is->uid)
			seq++;
		if (seq <= s->view->count &&
			mailbox_view_uid(s->view, seq) == is->uid)
			tell_message_flags(s, seq, true);
	}
}

void qresync_tell(struct session *s, const struct qresync *qresync)
{
	struct mailbox *m = s->view->mailbox;
	struct imap_set known = qresync->known;
	struct imap_range all = { 1, m->row.uidnext - 1 };

	if (!qresync->is_given ||
		qresync->uidvalidity != m->row.uidvalidity)
		return;
	if (known.count == 0 && all.to >= all.from)
		known = (struct imap_set){ .ranges = &all, .count = 1 };
	imap_set_resolve(&known, all.to);
	if (!tell_vanished(s, &known, qresync->modseq,
		first_unknown(s, qresync)))
		io_text(s->io, "* NO What is gone cannot be told now\r\n");
	tell_changed(s, &known, qresync->modseq);
}
