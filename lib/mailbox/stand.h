/*
 * mailbox/stand - for tests: a store of a few messages in a temporary folder.
 *
 * Waits    stand_store_close
 */
#ifndef MAILBOX_STAND_H
#define MAILBOX_STAND_H

#include "mailbox/store.h"

/* A folder of its own under /tmp: its name goes into `dir`, 64 octets. As
 * cmocka's fixtures: 0, or -1. */
int stand_folder_make(char *dir);
/* With all that is in it. */
int stand_folder_remove(const char *dir);

/* Fresh: INBOX with two messages, and a mailbox "x", in that layout. Ends the
 * process when it cannot be made. */
struct mailbox_store *stand_store_open(const char *layout);
/* And the folder is removed. */
void stand_store_close(struct mailbox_store *store);

#endif
