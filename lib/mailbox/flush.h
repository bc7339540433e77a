/*
 * mailbox/flush - what of a store's mailboxes a power cut could still undo
 * (MAILBOX_CUR and the like), and its end. mailbox_store_unflushed,
 * and mailbox_store_flush of mailbox/store.h are here too.
 *
 * Waits    mailbox_flush_all, mailbox_flush_together
 */
#ifndef MAILBOX_FLUSH_H
#define MAILBOX_FLUSH_H

#include "mailbox/store.h"

/* Whatever waits for a flush; of many mailboxes by one syncfs, where that is
 * known to say the truth, and those on other file systems one by one. */
must_check enum mailbox_result mailbox_flush_all(struct mailbox_store *store);
/* One flush of the whole file system instead of some for each mailbox. What
 * it does not reach waits on. */
must_check enum mailbox_result mailbox_flush_together(
	struct mailbox_store *store);
void mailbox_flush_renamed(struct mailbox_store *store, const char *from,
	const char *to);
/* The store is closed. */
void mailbox_flush_end(struct mailbox_store *store);

#endif
