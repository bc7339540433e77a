/*
 * mailbox/gather - what is on disk of mailboxes that the index does not know:
 * read by a helper, some mailboxes at a time, while the fiber puts those before
 * them into the index.
 *
 * A mailbox of which something could not be read is left out: whoever takes it
 * in reads it himself, and finds out why.
 *
 * Memory   names are borrowed until _end, what was read is until the next
 *          _begin, in the arena of the set
 * Waits    mailbox_gather_end
 */
#ifndef MAILBOX_GATHER_H
#define MAILBOX_GATHER_H

#include "io/helper.h"
#include "mailbox/driver.h"

struct mailbox_store;

enum {
	MAILBOX_GATHER_MOST = 64, /* mailboxes of a set */
};

struct mailbox_gathered {
	bool is_read; /* else nothing of what follows */
	bool is_bare; /* nothing lay beside its messages: no uidlist either */
	struct str uidlist; /* NONE: there is none */
	struct mailbox_entry *entries;
	size_t count;
	struct mailbox_stamp stamp; /* of before, as far as it can be trusted */
	bool is_locked; /* somebody gives uids to files just now */
	unsigned char guid[16]; /* random, for one that has none */
};

/* While it is under way it belongs to the helper, but for its job. */
struct mailbox_gather {
	struct arena *arena;
	const struct mailbox_place *place;
	const struct mailbox_driver *driver;
	const struct str *const *names;
	size_t count;
	struct mailbox_gathered found[MAILBOX_GATHER_MOST];
	struct io_job job;
	bool is_under_way;
};

void mailbox_gather_open(struct mailbox_gather *gather,
	struct mailbox_store *store);
/* Up to MAILBOX_GATHER_MOST names. */
void mailbox_gather_begin(struct mailbox_gather *gather,
	const struct str *const *names, size_t count);
void mailbox_gather_end(struct mailbox_gather *gather);
void mailbox_gather_close(struct mailbox_gather *gather);

#endif
