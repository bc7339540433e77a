/*
 * mailbox/observe - who hears of what happens in a store: what we do at once,
 * what other programs do to its files through inotify.
 *
 * A mailbox need not be open to be watched. An event is a hint: who hears it
 * looks for himself.
 *
 * Memory   the observer is the caller's; a watch has as many owners as asked
 *          for it
 * Waits    no
 */
#ifndef MAILBOX_OBSERVE_H
#define MAILBOX_OBSERVE_H

#include "base/list.h"
#include "base/str.h"

struct mailbox_store;

enum mailbox_event_kind {
	MAILBOX_EVENT_MESSAGES,      /* something in `name` */
	MAILBOX_EVENT_NAMES,         /* mailboxes came or went */
	MAILBOX_EVENT_RENAMED,       /* `other` is `name` now, with all below */
	MAILBOX_EVENT_SUBSCRIPTIONS,
	MAILBOX_EVENT_METADATA,      /* entry `other` of `name`; empty: of the
					store */
	MAILBOX_EVENT_ALL,           /* whatever: news were lost */
};

struct mailbox_event {
	enum mailbox_event_kind kind;
	struct str name, other; /* borrowed */
};

struct mailbox_observer {
	struct list link;
	/* Must not wait. */
	void (*hear)(void *context, const struct mailbox_event *event);
	void *context;
};

void mailbox_observe(struct mailbox_store *store,
	struct mailbox_observer *observer);
void mailbox_unobserve(struct mailbox_observer *observer);
void mailbox_tell(struct mailbox_store *store, enum mailbox_event_kind kind,
	struct str name, struct str other);

/* The files of a mailbox. */
struct mailbox_watch {
	char *name;
	int numbers[2]; /* of inotify */
	unsigned users;
	bool is_lost;   /* these are not the files of that name any more */
};

struct mailbox_watch *mailbox_watch_begin(struct mailbox_store *store,
	const char *name);
/* NULL is none. */
void mailbox_watch_end(struct mailbox_store *store,
	struct mailbox_watch *watch);
/* False: the system gives no watch; look now and then. */
bool mailbox_watch_works(const struct mailbox_watch *watch);
void mailbox_watch_rename(struct mailbox_store *store, const char *from,
	const char *to);
void mailbox_watch_lose(struct mailbox_store *store, const char *name);

/* Opens and closes with the store. */
void mailbox_observe_begin(struct mailbox_store *store);
void mailbox_observe_end(struct mailbox_store *store);

#endif
