/*
 * mailbox/arrivals_inside - what the files arrivals*.c have in common: the
 * commands whose messages are in the list, and what each file does with them.
 *
 * Waits    arrivals_flush_texts, arrivals_flush_at and arrivals_retire_done
 *          unless `here`; others do not, and let nothing else run meanwhile
 */
#ifndef MAILBOX_ARRIVALS_INSIDE_H
#define MAILBOX_ARRIVALS_INSIDE_H

#include "mailbox/arrivals.h"
#include "mailbox/arriving.h"
#include "mailbox/store.h"

enum batch_state {
	WAITING, /* no name yet */
	NAMED,   /* and in the index; the name is not durable */
	DONE,
};

struct arrivals_file {
	char *temporary; /* NULL: it has its name */
	char *name;
	struct index_message is;
};

/* The messages of one command. */
struct batch {
	struct list link;
	struct mailbox *mailbox;
	uint32_t uidvalidity;
	uint64_t sequence;
	size_t at; /* of its record */
	enum batch_state state;
	bool is_flushed;   /* its texts are durable */
	bool is_under_way; /* its names are being flushed */
	struct arrivals_file *files;
	size_t count;
};

struct mailbox_arrivals {
	struct mailbox_store *store;
	struct arriving list;
	dev_t device;
	bool knows_syncfs;
	int64_t syncfs_us;    /* how long it took last; 0: not known */
	int64_t fsync_us;     /* the same of one file */
	unsigned rounds;      /* of many files */
	struct io_event hurry; /* the fiber that settles need not rest */
	struct list batches;  /* in the order of their records */
	unsigned held;
	size_t counted;
	bool is_made;         /* or it was tried */
	bool is_stuck;        /* they could not be settled ... */
	struct moment stuck;  /* ... since then */
	bool is_said;         /* the index says that there are some */
	bool is_running;      /* the fiber that settles them */
	bool is_making;       /* the fiber that makes a list */
	struct moment pause_end;
	struct fiber *settler;
};

static inline struct batch *batch_at(struct list *link)
{
	return CONTAINER(link, struct batch, link);
}

/* ---- arrivals_flush.c ---- */

/* A file in a folder of the mailbox; NULL: the folder. */
const char *arrivals_path(const struct mailbox *mailbox, const char *folder,
	const char *name, char path[MAILBOX_PATH_MOST]);
/* Deleted, by whomever, with all that was to come to it. */
bool arrivals_is_gone(const struct mailbox *mailbox);
must_check bool arrivals_flush_at(const struct mailbox_store *store,
	const char *path, bool here);
/* Of the batches that wait: of a mailbox; NULL: of all. */
must_check bool arrivals_flush_texts(struct mailbox_arrivals *a,
	const struct mailbox *of, bool here);

/* ---- arrivals_settle.c ---- */

/* Its text is durable, and it has no name. */
bool arrivals_is_ready(const struct batch *b, const struct mailbox *m);
/* Names for those, and rows. False: not now. */
must_check bool arrivals_name(struct mailbox *m);
void arrivals_get_stuck(struct mailbox_arrivals *a);
/* Names of the mailbox are durable; of those only whose flush was under way. */
void arrivals_end_named(struct mailbox_arrivals *a, const struct mailbox *m,
	bool only_under_way);
/* The list begins behind those that are done. */
must_check bool arrivals_retire_done(struct mailbox_arrivals *a, bool here);

/* ---- arrivals_recover.c ---- */

/* Files that a list of a dead process promises are made. False: another process
 * has the list. */
bool arrivals_recover(struct mailbox_store *store);
/* Until the index does not say any more that there are some. False: that takes
 * too long. */
must_check bool arrivals_await(struct mailbox_store *store);

#endif
