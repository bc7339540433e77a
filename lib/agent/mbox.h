/*
 * agent/mbox - delivery by appending to a file: mbox mailboxes, and the files
 * that aliases name.
 *
 * Source   RFC 4155 (the format), mailbox_delivery_lock of postconf(5)
 * Waits    yes: for locks, and for the flush
 * Errors   class 4 or 5; a message that could not be written whole is cut off
 *          again
 */
#ifndef AGENT_MBOX_H
#define AGENT_MBOX_H

#include "agent/deliver.h"

struct mbox {
	int base;         /* what path is relative to; AT_FDCWD */
	struct str path;
	struct str locks; /* "fcntl, dotlock", "flock" */
	int64_t limit;    /* octets of the file afterwards; 0: none */
	struct str head;  /* header lines put in front of the content */
	bool is_strict;   /* the file must belong to us */
	const char *what; /* "mailbox", "file: /x": delivered to ... */
	struct str user;  /* whose it is; NONE or empty: not said */
	uint64_t *at;     /* gets where in the file it begins; may be NULL */
};

/* 250 when the message is durable in the file. With DELIVER_RETRY that may be
 * what an attempt before this one has left there (agent/mbox_text.h). */
must_check struct status mbox_append(const struct delivery *delivery,
	const struct mbox *mbox);

#endif
