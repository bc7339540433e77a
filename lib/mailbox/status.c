/*
 * What STATUS tells, without opening the mailbox: the counts stand in its row,
 * with the modseq at which they were true. Every change of a message has a new
 * modseq, so as long as that is the mailbox's they still are; and others have
 * not changed the files while their stamps are those of the row.
 */
#include "mailbox/mailbox.h"

#include "mailbox/arrivals.h"
#include "mailbox/store.h"

void mailbox_count(struct mailbox *mailbox)
{
	struct index_mailbox *row = &mailbox->row;

	if (row->counted == row->modseq)
		return;
	row->messages = (uint32_t)mailbox->count;
	row->unseen = row->deleted = 0;
	for (size_t i = 0; i < mailbox->count; i++) {
		uint32_t flags = mailbox->messages[i].is.flags;

		row->unseen += !(flags & IMAP_SEEN);
		row->deleted += (flags & IMAP_DELETED) != 0;
	}
	row->counted = row->modseq;
}

/* Others may have changed it meanwhile, or nothing is to be done. */
static bool is_kept(struct mailbox *mailbox, struct index_txn *txn)
{
	struct index_mailbox row;

	if (!index_mailbox_find(txn, str_from(mailbox->name), &row) ||
		row.id != mailbox->row.id ||
		row.uidnext != mailbox->row.uidnext ||
		row.names != mailbox->row.names ||
		row.modseq != mailbox->row.modseq)
		return true;
	mailbox->row = row;
	return row.counted == row.modseq && mailbox_is_packed(mailbox, txn);
}

void mailbox_keep(struct mailbox *mailbox)
{
	struct index_txn *txn;
	bool kept;

	if (mailbox->is_removed || mailbox->row.modseq == 0)
		return;
	txn = index_begin(mailbox->store->index, false);
	kept = !txn || is_kept(mailbox, txn);
	index_abort(txn);
	if (kept)
		return;
	txn = index_begin(mailbox->store->index, true);
	if (!txn || is_kept(mailbox, txn)) {
		index_abort(txn);
		return;
	}
	mailbox_count(mailbox);
	/* If that fails the rows are read again. */
	if (index_mailbox_put(txn, str_from(mailbox->name), &mailbox->row) &&
		mailbox_pack(mailbox, txn))
		(void)!index_commit(txn);
	else
		index_abort(txn);
}

static bool is_open(struct mailbox_store *store, struct str name)
{
	list_each (at, &store->open)
		if (str_is(name, CONTAINER(at, struct mailbox, link)->name))
			return true;
	return false;
}

/* What the row says is all that is known, and counted. */
static bool is_counted(struct mailbox_store *store, struct str name,
	struct index_mailbox *row)
{
	struct index_txn *txn;
	bool is_known;

	if (!mailbox_name_is_good(store, name) || is_open(store, name))
		return false;
	txn = index_begin(store->index, false);
	is_known = txn && index_mailbox_find(txn, name, row) &&
		(!index_arriving(txn) || mailbox_arrivals_are_ours(store));
	index_abort(txn);
	return is_known && row->counted == row->modseq;
}

bool mailbox_store_status_met(struct mailbox_store *store, struct str name,
	struct index_mailbox *row)
{
	return is_counted(store, mailbox_name_of(name), row);
}

bool mailbox_store_status(struct mailbox_store *store, struct str name,
	bool is_told, struct index_mailbox *row)
{
	char text[MAILBOX_NAME_MOST + 1];
	struct mailbox_stamp stamp;

	name = mailbox_name_of(name);
	if (!is_counted(store, name, row))
		return false;
	memcpy(text, name.p, name.len);
	text[name.len] = 0;
	return store->driver->stamp(&store->place, text, &stamp) &&
		stamp.new_ns == row->new_ns && stamp.cur_ns == row->cur_ns &&
		mailbox_uids_stamp_of(store, text) == row->uidlist_ns &&
		(!is_told || (row->uidlist_ns != 0 &&
			mailbox_store_settle_name(store, text) == MAILBOX_OK));
}
