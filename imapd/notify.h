/*
 * notify - what a connection wants to hear of, RFC 5465: notify.c takes the
 * command, others.c looks after mailboxes that are not selected, names.c after
 * names, subscriptions and annotations.
 */
#ifndef IMAPD_NOTIFY_H
#define IMAPD_NOTIFY_H

#include "imap/notify.h"
#include "session.h"

/* A mailbox of whose messages something is wanted, as it was told. */
struct other {
	struct str name;
	struct mailbox_watch *watch;
	unsigned events; /* IMAP_* bits */
	bool is_dirty;   /* something happened there */
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;
	size_t count;
};

/* What is there now; replaced as a whole, with its arena. */
struct others {
	struct arena *arena;
	struct mailbox_names names, subscribed;
	struct other *items; /* in the order of names */
	size_t count;
};

struct heard {
	enum mailbox_event_kind kind; /* ..._RENAMED, ..._METADATA */
	struct str name, other;
	bool is_own;
};

struct notify {
	struct session *s;
	struct arena *arena; /* until the next NOTIFY */
	struct imap_notify asked;
	unsigned selected;   /* events of the selected mailbox */
	bool is_delayed;
	const struct imap_fetch *fetch; /* of new messages there; NULL */
	struct mailbox_observer observer;
	struct others others;
	bool names_changed, subscriptions_changed, has_dirty, is_too_much;
	struct arena *heard_arena;
	struct heard *heard;
	size_t heard_count, heard_capacity;
	struct arena *own_arena;
	struct imap_set own; /* new messages that came from here */
};

/* The events that are wanted of a mailbox which is not selected. */
unsigned notify_wanted(const struct notify *n, struct str name,
	bool is_subscribed);

/* ---- others.c ---- */

/* Names and subscriptions as they are. False: they cannot be read. */
must_check bool others_list(struct notify *n, struct others *now);
/* Those are known from here on, and what is of interest is watched. False:
 * that is too much. */
must_check bool others_take(struct notify *n, struct others *now);
void others_end(struct notify *n);
void others_heard(struct notify *n, struct str name);
void others_all_dirty(struct notify *n, bool unwatched_only);
bool others_must_poll(const struct notify *n);
/* STATUS of each, as NOTIFY SET STATUS asks for it. */
void others_tell_first(struct notify *n);
void others_tell(struct notify *n);

/* ---- names.c ---- */

bool names_has(const struct mailbox_names *names, struct str name);
/* The name is there, or not. */
void names_put(struct arena *arena, struct mailbox_names *names,
	struct str name, bool there);
/* What was heard. */
void names_tell_heard(struct notify *n);
/* The differences to what was known. */
void names_tell(struct notify *n, const struct others *now);

#endif
