/*
 * mailbox/result - what became of an action on a mailbox; imapd and pop3d
 * have a table from these to their replies.
 */
#ifndef MAILBOX_RESULT_H
#define MAILBOX_RESULT_H

#include "base/arena.h"

enum mailbox_result {
	MAILBOX_OK,
	MAILBOX_NONEXISTENT,
	MAILBOX_EXISTS,
	MAILBOX_CANNOT,        /* never possible: a bad name, INBOX */
	MAILBOX_HAS_CHILDREN,
	MAILBOX_LIMIT,         /* too long, too many */
	MAILBOX_NO_SPACE,
	MAILBOX_NO_PERMISSION,
	MAILBOX_EXPUNGED,      /* the message is gone */
	MAILBOX_TRY_LATER,     /* said in the log */
};

/* From errno; what is no one's fault but the system's goes to the log with
 * these words. */
enum mailbox_result mailbox_failed(const char *what, const char *name);

#endif
