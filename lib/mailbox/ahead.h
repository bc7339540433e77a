/*
 * mailbox/ahead - many messages one after the other, the next ones of which
 * helpers read while we write. Who has to wait for them reads others meanwhile,
 * if these are in memory.
 *
 * A message is given from here only when it has the octets that the index
 * knows; what is not so (no size known, renamed, too large, no helper) is for
 * mailbox_read, which finds out why.
 *
 * Memory   four batches, each of 128 KiB or one message of 256 KiB, and a little
 *          more where they are converted, until _end
 * Waits    mailbox_ahead_find, mailbox_ahead_end
 */
#ifndef MAILBOX_AHEAD_H
#define MAILBOX_AHEAD_H

#include "mailbox/mailbox.h"

struct mailbox_ahead;

enum mailbox_ahead_form {
	MAILBOX_AHEAD_STORED, /* as it is on disk */
	MAILBOX_AHEAD_CRLF,   /* lines end with CRLF */
	MAILBOX_AHEAD_DOTTED, /* the same, and as POP3 sends it: imap/crlf.h */
};

/* These uids will be asked for, in this order; both must stay until _end.
 * NULL: it would be no help. */
struct mailbox_ahead *mailbox_ahead_begin(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, enum mailbox_ahead_form form);
/* The message in that form, and its size with CRLF. It is borrowed until _find
 * is called for one that _takes_back is true of. False: not from here. Both are
 * also fine for NULL. */
must_check bool mailbox_ahead_find(struct mailbox_ahead *ahead, uint32_t uid,
	struct str *message, uint64_t *crlf_octets);
/* To find this one the memory of those before it is used again. */
bool mailbox_ahead_takes_back(const struct mailbox_ahead *ahead, uint32_t uid);
void mailbox_ahead_end(struct mailbox_ahead *ahead);

#endif
