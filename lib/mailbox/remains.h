/*
 * mailbox/remains - files of expunged messages that are still to be removed:
 * to remove thousands takes longer than all else about their expunge, so they
 * go behind the answer. Until then their names stand in posthorn-expunged
 * beside the mailbox (mailbox/departed.h), and nobody of us takes them for
 * messages: neither this process nor others, nor one that comes after a kill,
 * with the index or without it. The row of the mailbox says how much of that
 * file counts, so that the expunge and its names are one transaction.
 *
 * A power cut undoes nothing either, once that file has been flushed, which is
 * the first thing that is done behind the answer; it goes when the folder
 * without the messages has been flushed.
 *
 * Waits    mailbox_remains_clear
 */
#ifndef MAILBOX_REMAINS_H
#define MAILBOX_REMAINS_H

#include "mailbox/departed.h"
#include "mailbox/mailbox.h"

enum {
	REMAINS_LEAST = 100, /* for fewer it is not worth while */
};

/* In a write transaction, before these messages are forgotten: their names
 * are written down, and the row in memory says so. False: remove them now. */
must_check bool mailbox_remains_begin(struct mailbox *mailbox,
	const struct mailbox_message *const *messages, size_t count);
/* Of a message that was among them; it is no message any more. */
void mailbox_remains_take(struct mailbox *mailbox,
	struct mailbox_message *message);
/* The transaction was committed, or it was not: then nothing remains of it. */
void mailbox_remains_end(struct mailbox *mailbox, bool committed);

/* What the row says is in memory. */
bool mailbox_remains_are_known(const struct mailbox *mailbox);
/* So that it is, in a write transaction. False: not now. */
must_check bool mailbox_remains_know(struct mailbox *mailbox);
/* The index has just met the mailbox: what did the last one know? Into the
 * row. False: not now. */
must_check bool mailbox_remains_find(struct mailbox *mailbox);
/* Has it such a list, or may it? prefix: as layout_prefix gives it. For
 * helpers, too, before they read the folder. */
bool mailbox_remains_may_be(int dir, struct arena *arena, const char *prefix);
/* An entry that was found in the folder is none of a message. */
bool mailbox_remains_have(struct mailbox *mailbox,
	const struct mailbox_entry *entry);
/* The same for one who only looks, by names: in the arena. */
must_check bool mailbox_remains_read(struct mailbox_store *store,
	const char *mailbox, struct arena *arena, size_t known,
	struct departed *departed);

/* There are some that nobody has tried to remove yet. */
bool mailbox_remains_are_wanted(const struct mailbox *mailbox);
/* Remove the files of all open mailboxes, some at a time. Other fibers run. */
void mailbox_remains_clear(struct mailbox_store *store);
void mailbox_remains_free(struct mailbox *mailbox);

#endif
