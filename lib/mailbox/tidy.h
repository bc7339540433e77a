/*
 * mailbox/tidy - what processes that died left behind in a Maildir.
 *
 * Source   maildir(5): files in tmp/ may go after 36 hours
 * Waits    for the disk
 * Errors   are left for the next time
 */
#ifndef MAILBOX_TIDY_H
#define MAILBOX_TIDY_H

#include "base/base.h"

/* A mailbox that is being removed is called this and a number. */
#define MAILDIR_REMOVED "posthorn-removed-"

/* Of one mailbox; folder: "." or ".Sent", in `store`. */
void maildir_tidy(int store, const char *folder);
/* Finish the removal of mailboxes. */
void maildir_tidy_removed(int store);

#endif
