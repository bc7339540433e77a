/*
 * mailbox/ahead - many messages one after the other, the next ones of which a
 * helper reads while we write.
 *
 * A message is given from here only when it has the octets that the index
 * knows; what is not so (no size known, renamed, too large, no helper) is for
 * mailbox_read, which finds out why.
 *
 * Memory   two batches of 256 KiB, until _end
 * Waits    mailbox_ahead_find, mailbox_ahead_end
 */
#ifndef MAILBOX_AHEAD_H
#define MAILBOX_AHEAD_H

#include "mailbox/mailbox.h"

struct mailbox_ahead;

/* These uids will be asked for, in this order; both must stay until _end.
 * NULL: it would be no help. */
struct mailbox_ahead *mailbox_ahead_begin(struct mailbox *mailbox,
	const uint32_t *uids, size_t count);
/* The message as it is on disk, borrowed until the next call, and its size
 * with CRLF. False: not from here. Also fine for NULL. */
must_check bool mailbox_ahead_find(struct mailbox_ahead *ahead, uint32_t uid,
	struct str *message, uint64_t *crlf_octets);
void mailbox_ahead_end(struct mailbox_ahead *ahead);

#endif
