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

#include "base/intern.h"
#include "imap/digest.h"

enum imap_thread_kind {
	IMAP_THREAD_ORDEREDSUBJECT,
	IMAP_THREAD_REFERENCES,
	IMAP_THREAD_REFS,
};

/* What ids and subjects are known as. */
struct imap_thread_names {
	struct intern *ids, *subjects;
};

struct imap_thread_names imap_thread_names_new(void);
void imap_thread_names_free(struct imap_thread_names *names);

/* A digest, its texts as numbers; 0: none. */
struct imap_thread_facts {
	int64_t sent_s; /* IMAP_NOT_SENT: no valid Date */
	uint32_t id, subject;
	const uint32_t *refs; /* the oldest first */
	uint32_t ref_count;
	bool is_reply;
};

/* The references are in the arena. */
void imap_thread_facts_of(struct arena *arena,
	struct imap_thread_names *names, const struct imap_digest *digest,
	struct imap_thread_facts *facts);

struct imap_thread_item {
	uint32_t number; /* to be written: sequence number or uid */
	int64_t arrived_s;
	const struct imap_thread_facts *of;
};

/* Items in mailbox order, all of the same names; appends
 * "(2)(3 6 (4 23)(44 7 96))". */
void imap_thread_format(struct arena *arena, struct buf *out,
	enum imap_thread_kind kind, const struct imap_thread_item *items,
	size_t count, const struct imap_thread_names *names);

#endif
