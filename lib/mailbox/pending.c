/*
 * Names of files follow flags: those that the index has and no name shows yet.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "mailbox/store.h"

enum {
	RENAMED_AT_ONCE = 200,
	GARBAGE_MOST = 200,
};

static bool rename_message(struct mailbox *mailbox, struct index_txn *txn,
	struct mailbox_message *message, struct arena *arena)
{
	const struct mailbox_driver *driver = mailbox->store->driver;
	struct mailbox_entry entry = mailbox_entry_of(message);
	const char *name = driver->with_flags(arena, message->name,
		message->is.flags,
		(uint32_t)(message->is.keywords &
			((1u << MAILBOX_LETTERS) - 1)));

	if (!mailbox_date(mailbox, txn, message))
		return false;
	message->is.flags &= ~(unsigned)MAILBOX_PENDING;
	if (strcmp(name, message->name) == 0 && !entry.is_new)
		return index_message_put(txn, mailbox->row.id, &message->is,
			str_from(name));
	if (!driver->move(&mailbox->store->place, mailbox->name, &entry,
		mailbox->name, name)) {
		/* Gone, or renamed by another: the next scan tells. */
		if (errno != ENOENT)
			log_warning("%s: rename %s: %m", mailbox->store->path,
				message->name);
		mailbox->is_suspect = true;
		mailbox_stamp_forget(mailbox);
		return index_message_put(txn, mailbox->row.id, &message->is,
			str_from(message->name));
	}
	mailbox_store_unflushed(mailbox->store, mailbox->name,
		MAILBOX_CUR | (entry.is_new ? MAILBOX_NEW : 0));
	free(message->name);
	message->name = strdup(name);
	if (!message->name)
		starved("out of memory");
	message->is.flags &= ~(unsigned)MAILBOX_IN_NEW;
	return index_message_put(txn, mailbox->row.id, &message->is,
		str_from(name));
}

bool mailbox_rename_pending(struct mailbox *mailbox)
{
	struct arena *arena auto_arena = NULL;
	struct index_txn *txn;
	size_t renamed = 0, i;
	bool known, ok;

	if (!mailbox->has_pending || mailbox->is_removed)
		return true;
	txn = index_begin(mailbox->store->index, true);
	if (!txn || !mailbox_load(mailbox, txn)) {
		index_abort(txn);
		return true;
	}
	arena = arena_new(0);
	known = mailbox_stamp_cur_is_known(mailbox);
	ok = true;
	for (i = 0; ok && i < mailbox->count && renamed < RENAMED_AT_ONCE;
		i++) {
		if (!(mailbox->messages[i].is.flags & MAILBOX_PENDING))
			continue;
		ok = rename_message(mailbox, txn, &mailbox->messages[i],
			arena);
		renamed++;
	}
	if (i == mailbox->count)
		mailbox->has_pending = false;
	mailbox_stamp_own(mailbox, known);
	mailbox->row.names++;
	if (!mailbox_commit(mailbox, txn, ok))
		mailbox->has_pending = false; /* not again and again */
	if (mailbox->garbage > GARBAGE_MOST &&
		mailbox->garbage > mailbox->count / 2)
		mailbox_uids_write(mailbox);
	return !mailbox->has_pending;
}
