/*
 * mailbox/namespace - the names of mailboxes as clients know them: with a
 * prefix, and a separator of levels that need not be that of the store.
 *
 *	prefix "INBOX.", separator "."   "Sent.2024" is "INBOX.Sent.2024"
 *	no prefix, separator "/"         "Sent.2024" is "Sent/2024"
 *
 * INBOX is always INBOX. With the separator "/" a dot is part of a level, and
 * a "/" stands for it in names of the store (mailbox/layout.h); with "." a
 * client sees that "/".
 *
 * Source   RFC 2342 5; RFC 9051 6.3.10
 * Memory   results in the arena, or the slice that was given
 * Waits    no
 */
#ifndef MAILBOX_NAMESPACE_H
#define MAILBOX_NAMESPACE_H

#include "base/arena.h"

struct mailbox_namespace {
	struct str prefix; /* empty, or levels with the separator at the end */
	char separator;    /* '.' or '/' */
};

/* False: such a namespace cannot be; *why tells. */
must_check bool mailbox_namespace_make(struct str prefix, struct str separator,
	struct mailbox_namespace *ns, const char **why);

/* Of the store; in modified UTF-7 both. What is not in the namespace gives a
 * name that no mailbox can have; empty stays empty. */
struct str mailbox_namespace_inner(struct arena *arena,
	const struct mailbox_namespace *ns, struct str shown);
/* To the client. */
struct str mailbox_namespace_shown(struct arena *arena,
	const struct mailbox_namespace *ns, struct str inner);
/* The prefix makes all others children of INBOX. */
bool mailbox_namespace_is_below_inbox(const struct mailbox_namespace *ns);

#endif
