/*
 * mailbox/verify - is what the index and the uidlist say of a mailbox true?
 * Nothing is changed; each inconsistency is one sentence.
 *
 * Somebody who works with the mailbox meanwhile causes differences that last a
 * moment.
 *
 * Memory   its own
 * Waits    no; reads the disk
 */
#ifndef MAILBOX_VERIFY_H
#define MAILBOX_VERIFY_H

#include "mailbox/store.h"

struct mailbox_verify {
	/* Called for each inconsistency; the text ends with the call. */
	void (*tell)(void *context, const char *mailbox, struct str text);
	/* Called after each message. */
	void (*progress)(void *context, const char *mailbox, size_t done,
		size_t all);
	void *context;
	bool deep;       /* read every message, and compare what is kept */
	size_t problems; /* result: how many were told */
	size_t untaken;  /* result: messages that the search index lacks yet;
			    a search takes them up */
};

must_check enum mailbox_result mailbox_verify(struct mailbox_store *store,
	struct str name, struct mailbox_verify *verify);

#endif
