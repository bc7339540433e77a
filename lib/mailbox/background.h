/*
 * mailbox/background - what is done for a store while nobody waits for it: what
 * others brought is taken in, and its words and facts (ENVELOPE and the like)
 * go into the index, so that the first one who asks finds them there.
 *
 * It is done for INBOX, where mail is delivered, and for mailboxes that were
 * selected, as long as they are in memory. A fiber does it in small pieces,
 * and only while no command runs and none has for a moment; each piece is one
 * transaction, so it may be killed at any time.
 *
 * Waits    mailbox_background_rest; the others do not
 */
#ifndef MAILBOX_BACKGROUND_H
#define MAILBOX_BACKGROUND_H

#include "mailbox/store.h"

/* From now on; and whenever there may be something to do. */
void mailbox_background(struct mailbox_store *store);
/* INBOX, too, whether somebody selects it or not. */
void mailbox_background_inbox(struct mailbox_store *store);
/* It has something to do. */
bool mailbox_background_is_behind(const struct mailbox_store *store);

/* Until no command runs, or somebody waits for this mailbox's text (NULL: no
 * matter). False: the process wants to end. */
bool mailbox_background_rest(struct mailbox_store *store,
	const struct mailbox *mailbox);

#endif
