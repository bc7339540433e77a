/*
 * imap/thread - messages as conversations.
 *
 * Source   RFC 5256 3 (BASE.6.4.THREAD): ORDEREDSUBJECT, REFERENCES; REFS is
 *          REFERENCES without the joining by subject, threads ordered by their
 *          newest arrival
 * Memory   the arena given
 * Waits    no
 */
#ifndef IMAP_THREAD_H
#define IMAP_THREAD_H

#include "imap/digest.h"

enum imap_thread_kind {
	IMAP_THREAD_ORDEREDSUBJECT,
	IMAP_THREAD_REFERENCES,
	IMAP_THREAD_REFS,
};

struct imap_thread_item {
	uint32_t number; /* to be written: sequence number or uid */
	int64_t arrived_s;
	struct imap_digest digest;
};

/* Items in mailbox order; appends "(2)(3 6 (4 23)(44 7 96))". */
void imap_thread_format(struct arena *arena, struct buf *out,
	enum imap_thread_kind kind, const struct imap_thread_item *items,
	size_t count);

#endif
