/*
 * mailbox/store - all mailboxes of one user.
 *
 * Memory   the store is its own; lists in the arena given
 * Waits    create, remove, rename, subscribe: until durable
 */
#ifndef MAILBOX_STORE_H
#define MAILBOX_STORE_H

#include "base/span.h"
#include "mailbox/mailbox.h"
#include "mailbox/observe.h"

struct mailbox_store {
	const struct mailbox_driver *driver;
	int dir;          /* the mail's directory */
	struct mailbox_place place; /* the same, and how mailboxes lie there */
	char *path;
	struct index *index;
	struct list open; /* struct mailbox, some of them without users */
	size_t unused;    /* how many those are */
	uint64_t closes;  /* counts them */
	int inotify;      /* -1: none */
	int root;         /* its watch on the mail's directory; -1: none */
	int *levels;      /* and on those below, of a layout that is a tree */
	size_t level_count, level_capacity;
	struct table *watches;  /* name -> struct mailbox_watch */
	struct list observers;  /* struct mailbox_observer */
	struct fiber *flusher, *listener;
	bool is_flushing; /* the fiber that renames files runs */
	bool is_watching; /* the fiber that reads inotify runs */
	bool is_dirty;    /* something is to be done soon */
	bool is_closing;  /* it is done at once: no fiber begins */
	struct fiber *taker;
	bool is_taking;   /* the fiber that works in the background runs */
	bool takes_text;  /* it is wanted */
	bool wants_inbox; /* it is to look at INBOX, open or not */
	unsigned commands; /* that are being run: it rests */
	struct moment last_command;
	struct table *unflushed; /* mailbox -> struct mailbox_unflushed */
	struct mailbox_arrivals *arrivals; /* mailbox/arrivals.h */
	bool is_meeting; /* a flush of all follows: mailbox_store_meet */
	uint32_t temporaries; /* counts them; the first is a random number */
};

/* What of a mailbox a power cut could still undo. */
enum {
	MAILBOX_CUR = 1 << 0,  /* names in cur/ */
	MAILBOX_NEW = 1 << 1,  /* names in new/ */
	MAILBOX_UIDS = 1 << 2, /* lines at the end of the uidlist */
	MAILBOX_NAMED = 1 << 3, /* that there is one */
	MAILBOX_UNLISTED = 1 << 4, /* there is none: it is to be written first */
};

/* location: see layout_of_location, which is Maildir++ if it does not say
 * another; its directory is made if it is not there. NULL: said in the log. */
struct mailbox_store *mailbox_store_open(const char *location);
/* Finish what is pending, and let go. No mailbox is open any more. */
void mailbox_store_close(struct mailbox_store *store);

/* Is this a name that a mailbox may have? INBOX in any case is. */
bool mailbox_name_is_good(const struct mailbox_store *store, struct str name);
/* "INBOX" for INBOX in any case, else the name. */
struct str mailbox_name_of(struct str name);

struct mailbox_names {
	struct str *names; /* in order of octets, INBOX first */
	size_t count;
};

must_check enum mailbox_result mailbox_store_list(struct mailbox_store *store,
	struct arena *arena, struct mailbox_names *names);
/* The same with names that may be those of none: who meets most of them
 * (mailbox_store_meet) knows it then of those. */
must_check enum mailbox_result mailbox_store_list_unsure(
	struct mailbox_store *store, struct arena *arena,
	struct mailbox_names *names);
must_check enum mailbox_result mailbox_store_subscriptions(
	struct mailbox_store *store, struct arena *arena,
	struct mailbox_names *names);
must_check enum mailbox_result mailbox_store_subscribe(
	struct mailbox_store *store, struct str name, bool on);
bool mailbox_store_has(struct mailbox_store *store, struct str name);
must_check enum mailbox_result mailbox_store_create(
	struct mailbox_store *store, struct str name);
must_check enum mailbox_result mailbox_store_remove(
	struct mailbox_store *store, struct str name);
/* With all that is below it; INBOX: its messages move (RFC 3501 6.3.5). */
must_check enum mailbox_result mailbox_store_rename(
	struct mailbox_store *store, struct str from, struct str to);

/* These of a mailbox are to be flushed, within a second at the latest. */
void mailbox_store_unflushed(struct mailbox_store *store, const char *mailbox,
	unsigned what);
/* What was done to the mailbox survives a power cut when this returns. Those
 * who come while a flush runs share the next one. Waits. */
must_check enum mailbox_result mailbox_store_flush(
	struct mailbox_store *store, const char *mailbox);
/* Something is to be done within a second: names of files, a flush. */
void mailbox_store_soon(struct mailbox_store *store);
enum mailbox_met {
	MAILBOX_NOT_MET,
	MAILBOX_MET,
	MAILBOX_MET_BARE, /* nothing was beside its messages: no metadata */
};

/*
 * Mailboxes that the index does not know yet are taken in: before much is asked
 * of many. Their uidlists are written with one flush for all of them: now, if
 * is_told (their UIDVALIDITY or a UID); else a moment later, in the background.
 * met: of each name whether it was taken in just now; NULL: nobody asks.
 * Waits.
 */
must_check enum mailbox_result mailbox_store_meet(struct mailbox_store *store,
	const struct str *names, size_t count, bool is_told,
	enum mailbox_met *met);
/* Which of these are there; met: what is known of each. Waits. */
void mailbox_store_have(struct mailbox_store *store, const struct str *names,
	size_t count, const enum mailbox_met *met, bool *have);
/* What the index says of a mailbox whose files are as it knows them, all of it
 * counted. is_told: its UIDVALIDITY or MAILBOXID, too. False: open it to know.
 * Waits then, as mailbox_store_settle_name. */
must_check bool mailbox_store_status(struct mailbox_store *store,
	struct str name, bool is_told, struct index_mailbox *row);
/* The same without a look at the files, of one that was met for the same
 * command, and of which no UIDVALIDITY is told. */
must_check bool mailbox_store_status_met(struct mailbox_store *store,
	struct str name, struct index_mailbox *row);
/* The uidlist of the mailbox is on disk: before its UIDVALIDITY is told.
 * Waits if somebody is about to meet it. */
must_check enum mailbox_result mailbox_store_settle_name(
	struct mailbox_store *store, const char *mailbox);
/* This process has put it there. */
bool mailbox_store_is_named(struct mailbox_store *store, const char *mailbox);
/* Somebody changed the files of the mailbox: if it is open, look at it. */
void mailbox_suspect(struct mailbox_store *store, const char *name);
/* A command of a client begins and ends; what is done in the background rests
 * meanwhile, and a moment longer. */
void mailbox_store_busy(struct mailbox_store *store);
void mailbox_store_idle(struct mailbox_store *store);
/* Do it now, all of it (tests, the end of the process). */
void mailbox_store_settle(struct mailbox_store *store);

/* Read a small file beside the mail; *text is NONE: there is none. False with
 * errno: it cannot be read just now, which tells nothing of it. */
must_check bool mailbox_store_read(struct mailbox_store *store,
	struct arena *arena, const char *path, struct str *text);
/* The same below a directory. For helper threads, too: nothing is logged. */
must_check bool mailbox_file_read(int dir, struct arena *arena,
	const char *path, struct str *text);
/* Replace it, all or nothing; durable if asked for. */
must_check bool mailbox_store_write(struct mailbox_store *store,
	const char *path, struct str text, bool durable);

#endif
