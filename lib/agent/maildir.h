/*
 * agent/maildir - delivery into Maildirs, many with one flush.
 *
 *	maildir_write(store, &item)      each message: written
 *	maildir_publish(store, items)    one shared flush, then named in new/:
 *	                                 now it may be reported as delivered
 *	maildir_settle(store, items)     after the next shared flush: the names
 *	                                 survive a power cut, too
 *
 * Where many share a flush a file has no name until its data is durable, so that
 * each name is made once, and nothing is left in tmp/ by who dies. One that is
 * flushed alone has its name in tmp/ first: fsync(2) of a file without a name
 * does nothing on btrfs.
 *
 * The queue keeps a message until it is settled, so that what is lost in
 * between is delivered again; the file name tells whether it was
 * (maildir_name, `look`). Who waits for a flush shares it with all who
 * wait at that moment (queue/group): syncfs(2) for several, fsync(2) for one.
 * What "several" are, the file system decides (io/filesystem.h). Where it is not
 * one whose syncfs is known to say the truth (ext4, XFS, btrfs), or a folder is
 * on another one than base (a mount, a link), fsync of file and folders alone.
 *
 * Memory   in the arenas given
 * Waits    all but maildir_store_open and maildir_name
 * Errors   the item's status, class 4 or 5
 */
#ifndef AGENT_MAILDIR_H
#define AGENT_MAILDIR_H

#include "agent/deliver.h"
#include "queue/group.h"

/* What the writer does to a file system; tests put a recorder here. */
struct maildir_calls {
	int (*open_new)(int base, const char *path);
	/* A file without a name on the file system of this folder. */
	int (*open_unnamed)(int base, const char *folder);
	/* Its first name. */
	int (*link)(int fd, int base, const char *path);
	ssize_t (*write)(int fd, const void *octets, size_t len);
	int (*sync_file)(int fd);
	int (*sync_all)(int fd);
	int (*sync_folder)(int base, const char *path);
	int (*sync_path)(int base, const char *path);
	int (*rename)(int base, const char *from, const char *to);
	/* From how many files on syncfs of base is the cheaper flush; 0: it does
	 * not cover everything there. */
	unsigned (*share_from)(int base);
	/* The file system that something open is on; 0: not known. */
	uint64_t (*device)(int fd);
};

struct maildir_store {
	const struct maildir_calls *calls;
	int base; /* directory that folders are relative to; stays the caller's */
	struct flush_group group;
	uint64_t device; /* of base */
	bool shares;
	bool needs_names; /* there are no files without */
};

struct maildir_item {
	struct str folder;  /* the Maildir, absolute or relative to base; no / at
			       its end */
	struct str name;    /* from maildir_name */
	struct str head;    /* header lines put in front of the content */
	const struct content *content;
	bool look;          /* it may be there already */
	bool fresh;         /* the folder was just made for it */
	bool shares;        /* somebody else flushes it, with those of others */
	struct status status;
	/* private */
	int fd;
	bool is_unnamed;
	bool is_linked; /* its first name was made after its last flush: a flush
			   of the folder does not cover the count of names */
	bool is_there; /* delivered before */
	bool elsewhere; /* on another file system than base */
	bool made;      /* folders were created for it */
};

/* calls NULL: the real ones. */
void maildir_store_open(struct maildir_store *store, int base,
	const struct maildir_calls *calls);

/* The same for the same message and recipient, and never for another:
 * "1764430000.V1f3N0.mail,S=1234". */
struct str maildir_name(struct arena *arena, struct str host,
	const struct delivery *delivery, uint64_t number, uint64_t size);

/* Under tmp/, or without a name (and the Maildir, 0700, if it is missing). */
void maildir_write(struct maildir_store *store, struct arena *arena,
	struct maildir_item *item);
/* Those whose status is still 250; it becomes their end. at_once: a client
 * waits, there is no more pause than it takes to share the flush with others
 * who wait. */
void maildir_publish(struct maildir_store *store, struct arena *arena,
	struct maildir_item *items, size_t count, bool at_once);
/* False: not durable, and taken back out of new/; say nothing to the queue, it
 * delivers again. at_once: a client waits, so there is no pause for others to
 * share the flush. */
must_check bool maildir_settle(struct maildir_store *store,
	struct arena *arena, struct maildir_item *items, size_t count,
	bool at_once);

/*
 * For those whose flushes somebody else makes (local's parent, for many
 * users): maildir_device tells which file system it has to be, 0: none covers
 * it. Then maildir_rename instead of maildir_publish; nobody there to flush
 * any more: maildir_drop. maildir_settle_alone makes the names durable, each
 * by itself, else it is as maildir_settle.
 */
uint64_t maildir_device(const struct maildir_store *store,
	const struct maildir_item *item);
void maildir_rename(struct maildir_store *store, struct arena *arena,
	struct maildir_item *items, size_t count);
void maildir_drop(const struct maildir_store *store, struct arena *arena,
	struct maildir_item *item);
must_check bool maildir_settle_alone(struct maildir_store *store,
	struct arena *arena, struct maildir_item *items, size_t count);

#endif
