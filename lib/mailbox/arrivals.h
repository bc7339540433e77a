/*
 * mailbox/arrivals - messages that were appended, that are durable, and whose
 * files have no names yet.
 *
 * A file may have its name when its text is on the disk, and a message is
 * durable when its name is: two flushes of several blocks each, one after the
 * other. Instead, a small message is written twice: to its file in tmp/, and,
 * with its UID, into posthorn-arriving (mailbox/arriving.h), whose flush is the
 * only one before the answer. Behind it, and for all that came meanwhile, texts
 * are flushed, files get their names and rows in the index (they are settled),
 * names are flushed, and the list forgets them (they are retired).
 *
 * Until it is settled nobody of us sees such a message, but its UID is given: so
 * whoever looks at the mailbox, or adds to it, settles it first; and whoever
 * removes messages, or renames or removes mailboxes, retires all first, so that
 * the list never brings back what went. Other processes wait for both: the
 * index says that there are some (index_arriving).
 *
 * After a kill or a power cut whoever opens the store makes the files that are
 * missing, before he looks at anything.
 *
 * Not for mailboxes that a connection has selected, and while one was promised
 * news of others: these are told at once.
 *
 * Waits    mailbox_arrivals_add, _room, _stop; others do not: they let nothing
 *          else run while they flush
 */
#ifndef MAILBOX_ARRIVALS_H
#define MAILBOX_ARRIVALS_H

#include "mailbox/mailbox.h"

/* At the beginning of a store and at its end, when no fiber of it runs. */
void mailbox_arrivals_begin(struct mailbox_store *store);
void mailbox_arrivals_end(struct mailbox_store *store);
/* The fiber that settles ends. */
void mailbox_arrivals_stop(struct mailbox_store *store);

/* Is a message of so many octets, in a file that is open, one of them? */
bool mailbox_arrivals_want(struct mailbox *mailbox, int fd, size_t octets);
/* So many were made durable in the other way: where there are many, a list is
 * worth while. */
void mailbox_arrivals_count(struct mailbox_store *store, size_t count);

struct mailbox_arrival {
	const char *temporary, *name;
	struct index_message is;
	struct str text;
};

/* The list has room for a command of so many, with so many octets of text. Waits
 * for that. False: not now, in the other way. */
must_check bool mailbox_arrivals_room(struct mailbox *mailbox, size_t count,
	size_t octets);
/* The same in a write transaction, behind it, in which their UIDs are given
 * next. Does not wait. */
must_check bool mailbox_arrivals_may(struct mailbox *mailbox,
	struct index_txn *txn, size_t count, size_t octets);
/* That transaction was committed: they are durable when this returns, in
 * whatever way. */
must_check enum mailbox_result mailbox_arrivals_add(struct mailbox *mailbox,
	const struct mailbox_arrival *items, size_t count);

/* Those of the mailbox that there are become visible. False: not now; then no
 * other may be added. */
must_check bool mailbox_arrivals_settle(struct mailbox *mailbox);
/* The same before somebody looks, who lives without them when that has failed
 * for long: a full disk must not lock out who makes room. */
must_check bool mailbox_arrivals_show(struct mailbox *mailbox);
/* Settled, and in the list no more, all of the store. */
must_check bool mailbox_arrivals_retire(struct mailbox_store *store);
/* The same before messages are removed, who, after such a failure, might come
 * back after a power cut. */
must_check bool mailbox_arrivals_let_go(struct mailbox_store *store);
/* Until the other one is called, there are none. False: not now. */
must_check bool mailbox_arrivals_hold(struct mailbox_store *store);
void mailbox_arrivals_release(struct mailbox_store *store);
/* The index says that there are some, and they are not ours: until there are
 * none. False: it takes too long. */
must_check bool mailbox_arrivals_await(struct mailbox_store *store);
/* This process has the list, if there is one. */
bool mailbox_arrivals_are_ours(const struct mailbox_store *store);
/* In a write transaction, after mailbox_look: UIDs may be given to others. */
bool mailbox_arrivals_allow(const struct mailbox *mailbox);

/* That file in tmp/, to be flushed: of a message that was wanted, and goes the
 * other way. -1 with errno. */
must_check int mailbox_arrivals_open(struct mailbox *mailbox,
	const char *temporary);

#endif
