/*
 * What STATUS tells, without opening the mailbox: the counts stand in its row,
 * with the modseq at which they were true. Every change of a message has a new
 * modseq, so as long as that is the mailbox's they still are; and others have
 * not changed the files while their stamps are those of the row.
 */
#include "mailbox/mailbox.h"

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

void mailbox_keep_count(struct mailbox *mailbox)
{
	struct str name = str_from(mailbox->name);
	struct index_txn *txn;
	struct index_mailbox row;

	if (mailbox->is_removed || mailbox->row.modseq == 0 ||
		mailbox->count_kept == mailbox->row.modseq)
		return;
	mailbox->count_kept = mailbox->row.modseq;
	txn = index_begin(mailbox->store->index, true);
	/* Others may have changed it meanwhile, or counted. */
	if (!txn || !index_mailbox_find(txn, name, &row) ||
		row.id != mailbox->row.id ||
		row.modseq != mailbox->row.modseq ||
		row.counted == row.modseq) {
		index_abort(txn);
		return;
	}
	mailbox->row = row;
	mailbox_count(mailbox);
	/* If that fails it is counted again. */
	if (index_mailbox_put(txn, name, &mailbox->row))
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

bool mailbox_store_status(struct mailbox_store *store, struct str name,
	struct index_mailbox *row)
{
	char text[MAILBOX_NAME_MOST + 1];
	struct mailbox_stamp stamp;
	struct index_txn *txn;
	bool is_known;

	name = mailbox_name_of(name);
	if (!mailbox_name_is_good(store, name) || is_open(store, name))
		return false;
	txn = index_begin(store->index, false);
	is_known = txn && index_mailbox_find(txn, name, row);
	index_abort(txn);
	if (!is_known || row->counted != row->modseq)
		return false;
	memcpy(text, name.p, name.len);
	text[name.len] = 0;
	return store->driver->stamp(&store->place, text, &stamp) &&
		stamp.new_ns == row->new_ns && stamp.cur_ns == row->cur_ns &&
		mailbox_uids_stamp_of(store, text) == row->uidlist_ns &&
		mailbox_store_settle_name(store, text) == MAILBOX_OK;
}
