/*
 * Dates of messages. A mailbox that is met for the first time may have a hundred
 * thousand files, and to ask for the dates of each takes longer than all else;
 * so they are read when somebody wants them, else in the background. From then
 * on they stand in the index and do not change.
 *
 * The date of saving is when the inode changed, so it is read before a file is
 * renamed.
 */
#include "mailbox/mailbox.h"

#include "mailbox/store.h"

enum {
	SOME = 1000, /* in one transaction, in the background */
};

static bool is_dated(const struct mailbox_message *m)
{
	return m->is.internal_s != MAILBOX_DATE_UNKNOWN &&
		m->is.saved_s != MAILBOX_DATE_UNKNOWN;
}

static bool read_dates(struct mailbox *mailbox, struct mailbox_message *m)
{
	struct mailbox_entry entry = mailbox_entry_of(m);
	int64_t internal_s, saved_s;
	uint64_t octets;

	if (!mailbox->store->driver->times(&mailbox->store->place,
		mailbox->name, &entry, &internal_s, &saved_s, &octets))
		return false;
	if (m->is.internal_s == MAILBOX_DATE_UNKNOWN)
		m->is.internal_s = internal_s;
	if (m->is.saved_s == MAILBOX_DATE_UNKNOWN)
		m->is.saved_s = saved_s;
	return true;
}

bool mailbox_date(struct mailbox *mailbox, struct index_txn *txn,
	struct mailbox_message *message)
{
	return is_dated(message) || !read_dates(mailbox, message) ||
		index_message_put(txn, mailbox->row.id, &message->is,
			str_from(message->name));
}

/* The number that its name begins with. */
static void guess(struct mailbox_message *m)
{
	struct str digits = str_from(m->name);
	uint64_t arrived_s;

	if (!str_take_u64(&digits, UINT32_MAX, &arrived_s))
		arrived_s = 0;
	if (m->is.internal_s == MAILBOX_DATE_UNKNOWN)
		m->is.internal_s = (int64_t)arrived_s;
	if (m->is.saved_s == MAILBOX_DATE_UNKNOWN)
		m->is.saved_s = (int64_t)arrived_s;
}

/* What is to be dated: these uids, or as many as `most`, any. */
struct dating {
	struct mailbox *mailbox;
	const uint32_t *uids; /* ascending; NULL: any */
	size_t count, most;
	size_t dated, missing;
	bool guesses; /* what cannot be read */
};

static bool date_one(struct dating *d, struct index_txn *txn,
	struct mailbox_message *m)
{
	if (is_dated(m))
		return true;
	if (!read_dates(d->mailbox, m)) {
		d->missing++;
		if (!d->guesses)
			return true;
		guess(m);
	}
	d->dated++;
	return index_message_put(txn, d->mailbox->row.id, &m->is,
		str_from(m->name));
}

static bool date_all(struct dating *d, struct index_txn *txn)
{
	struct mailbox *mailbox = d->mailbox;
	size_t near = 0;
	bool ok = true;

	for (size_t i = 0; ok && d->uids && i < d->count; i++) {
		struct mailbox_message *m = mailbox_find_near(mailbox,
			d->uids[i], &near);

		ok = !m || date_one(d, txn, m);
	}
	for (size_t i = 0; ok && !d->uids && i < mailbox->count &&
		d->dated < d->most; i++)
		ok = date_one(d, txn, &mailbox->messages[i]);
	return ok;
}

static enum mailbox_result run(struct dating *d)
{
	struct index_txn *txn = index_begin(d->mailbox->store->index, true);
	bool ok;

	if (!txn)
		return MAILBOX_TRY_LATER;
	if (!mailbox_load(d->mailbox, txn)) {
		index_abort(txn);
		return MAILBOX_TRY_LATER;
	}
	d->dated = d->missing = 0;
	ok = date_all(d, txn);
	if (ok && !d->uids && d->dated < d->most && d->missing == 0)
		d->mailbox->has_undated = false;
	if (!ok)
		index_abort(txn);
	else
		ok = index_commit(txn);
	if (!ok)
		mailbox_reload(d->mailbox);
	return ok ? MAILBOX_OK : MAILBOX_TRY_LATER;
}

static bool are_dated(const struct mailbox *mailbox, const uint32_t *uids,
	size_t count)
{
	size_t near = 0;

	for (size_t i = 0; i < count; i++) {
		const struct mailbox_message *m = mailbox_find_near(mailbox,
			uids[i], &near);

		if (m && !is_dated(m))
			return false;
	}
	return true;
}

enum mailbox_result mailbox_dates(struct mailbox *mailbox,
	const uint32_t *uids, size_t count)
{
	struct dating d = { .mailbox = mailbox, .uids = uids, .count = count };
	enum mailbox_result result;

	if (!mailbox_complete(mailbox))
		return MAILBOX_TRY_LATER;
	if (!mailbox->has_undated || are_dated(mailbox, uids, count))
		return MAILBOX_OK;
	result = run(&d);
	if (result != MAILBOX_OK || d.missing == 0)
		return result;
	/* Renamed by another program, or gone. */
	mailbox_stamp_forget(mailbox);
	if (mailbox_refresh(mailbox, false) != MAILBOX_OK)
		return MAILBOX_TRY_LATER;
	d.guesses = true;
	return run(&d);
}

bool mailbox_date_is_wanted(const struct mailbox *mailbox)
{
	return mailbox->has_undated &&
		mailbox->dates_tried != mailbox->changes + 1;
}

bool mailbox_date_some(struct mailbox *mailbox)
{
	struct dating d = { .mailbox = mailbox, .most = SOME };

	if (!mailbox_date_is_wanted(mailbox))
		return false;
	if (run(&d) == MAILBOX_OK && d.dated == d.most)
		return true;
	/* Those that are missing wait for the next change. */
	mailbox->dates_tried = mailbox->changes + 1;
	return false;
}
