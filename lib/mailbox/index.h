/*
 * mailbox/index - the LMDB environment of one user: what the mail's own files
 * lack. Rows are of fixed size, in the machine's order; a lost or foreign
 * index is built again from the mail and its uidlists.
 *
 *	mailboxes  name -> struct index_mailbox
 *	messages   mailbox id, uid (big endian) -> struct index_message, name
 *	facts      mailbox id, uid -> size, ENVELOPE, BODY, BODYSTRUCTURE,
 *	           preview, email id, thread id
 *	digests    mailbox id, uid -> imap/digest.h
 *	expunged   mailbox id, modseq, uid -> nothing
 *	words      mailbox id, segment, kind, block -> mailbox/text.h
 *	keywords   mailbox id -> names, each ended by NUL
 *	packs      mailbox id -> mailbox/pack.h
 *	meta       "format", "next_id", "uidvalidity", "arriving"
 *
 * Several processes of the user may have it open; a write transaction is
 * also the lock under which they change the mail's files. A transaction must
 * not be held across a wait.
 *
 * Durability  commits go to the page cache: they survive a kill. After a power
 *             cut while it was open (boot id in posthorn-index-boot) it is
 *             built again: what must survive that is in the mail's own files.
 * Memory      slices are borrowed until the end of the transaction
 * Waits       no
 */
#ifndef MAILBOX_INDEX_H
#define MAILBOX_INDEX_H

#include "base/arena.h"

struct index;
struct index_txn;

struct index_mailbox {
	uint32_t id, uidvalidity;
	uint32_t uidnext;
	uint32_t uid_reserved; /* what the uidlist's header says, on disk */
	uint32_t recent_from;  /* uids from here on were seen by no session */
	uint32_t names;        /* counts renames of entries */
	uint64_t modseq;       /* the highest */
	int64_t new_ns, cur_ns; /* stamp of the last scan; 0: scan */
	uint64_t uidlist_ns;   /* mtime of the uidlist we know */
	uint64_t expunged_from; /* all expunges after this modseq are kept */
	uint64_t expunged_count;
	unsigned char guid[16]; /* for good, whatever its name is */
	uint64_t counted;      /* the modseq at which these were counted */
	uint32_t messages, unseen, deleted;
	uint32_t remains;      /* octets of posthorn-expunged that count */
};

struct index_message {
	uint32_t uid;
	uint32_t flags;        /* IMAP_* bits and MAILBOX_* bits */
	uint64_t keywords;     /* bit n: keyword n of the mailbox */
	uint64_t modseq;
	uint64_t size;         /* CRLF octets; UINT64_MAX: not known yet */
	int64_t internal_s, saved_s; /* INT64_MIN: not known yet */
};

/* In the directory `store` (a descriptor); `path` is the same, as a name.
 * NULL: said in the log. */
struct index *index_open(int store, const char *path);
void index_close(struct index *index);
/*
 * Much of it is about to be read. Until somebody says so (a walk or a change
 * does), the kernel reads just what is asked for: where it reads megabytes
 * around each page, a few pages of a cold index, for SELECT, cost as much as
 * all of it.
 */
void index_read_ahead(struct index_txn *txn);
/* Its pages leave the process's memory, not the kernel's: for one that nobody
 * asks for anything. */
void index_rest(struct index *index);

/* NULL: said in the log. */
struct index_txn *index_begin(struct index *index, bool write);
/* Either ends the transaction. False: nothing was changed. */
must_check bool index_commit(struct index_txn *txn);
void index_abort(struct index_txn *txn);

bool index_mailbox_find(struct index_txn *txn, struct str name,
	struct index_mailbox *row);
must_check bool index_mailbox_put(struct index_txn *txn, struct str name,
	const struct index_mailbox *row);
/* The next unused id, the next uidvalidity (never given before). */
must_check bool index_mailbox_new(struct index_txn *txn,
	struct index_mailbox *row);
/* With all its messages. */
must_check bool index_mailbox_remove(struct index_txn *txn, struct str name);
must_check bool index_mailbox_rename(struct index_txn *txn, struct str from,
	struct str to);
/* All messages of the mailbox; its row stays. */
must_check bool index_mailbox_clear(struct index_txn *txn, uint32_t id);

/* Call each() for all messages in order of their uids. */
void index_messages_each(struct index_txn *txn, uint32_t id,
	void (*each)(void *context, const struct index_message *message,
		struct str name), void *context);
must_check bool index_message_put(struct index_txn *txn, uint32_t id,
	const struct index_message *message, struct str name);
/* With its facts and its digest. */
must_check bool index_message_remove(struct index_txn *txn, uint32_t id,
	uint32_t uid);

/* False: there is none, or it is damaged. */
bool index_message_find(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct index_message *message, struct str *name);

bool index_facts_find(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str *facts);
must_check bool index_facts_put(struct index_txn *txn, uint32_t id,
	uint32_t uid, struct str facts);

/* The facts of many messages: cheap where uids come in ascending order. */
struct index_walk;

/* NULL: said in the log. To be ended before its transaction. */
struct index_walk *index_walk_begin(struct index_txn *txn, uint32_t id);
bool index_walk_find(struct index_walk *walk, uint32_t uid,
	struct str *facts);
void index_walk_end(struct index_walk *walk);

must_check bool index_digest_put(struct index_txn *txn, uint32_t id,
	uint32_t uid, struct str digest);
bool index_digest_find(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str *digest);
/* Call each() for those from one uid to another, in order. */
void index_digests_each(struct index_txn *txn, uint32_t id, uint32_t from,
	uint32_t to, void (*each)(void *context, uint32_t uid,
		struct str digest), void *context);

/* Remember an expunge, RFC 7162 3.2.7; the oldest of many are forgotten. The
 * caller keeps the row. */
must_check bool index_expunged_put(struct index_txn *txn,
	struct index_mailbox *row, uint64_t modseq, uint32_t uid);
/* Those after a modseq, in order of their modseqs. */
void index_expunged_each(struct index_txn *txn, uint32_t id, uint64_t after,
	void (*each)(void *context, uint32_t uid), void *context);

/* Rows of the search index. */
bool index_words_find(struct index_txn *txn, uint32_t id, uint32_t segment,
	uint32_t kind, uint32_t block, struct str *row);
must_check bool index_words_put(struct index_txn *txn, uint32_t id,
	uint32_t segment, uint32_t kind, uint32_t block, struct str row);
/* All rows of a segment. */
must_check bool index_words_remove(struct index_txn *txn, uint32_t id,
	uint32_t segment);

bool index_pack_find(struct index_txn *txn, uint32_t id, struct str *pack);
must_check bool index_pack_put(struct index_txn *txn, uint32_t id,
	struct str pack);

/* What the index says of messages that are in it later (mailbox/arrivals.h). */
enum {
	INDEX_ARRIVING = 1, /* there are some */
	INDEX_AWAITED = 2,  /* another process waits for them */
};

unsigned index_arriving(struct index_txn *txn);
must_check bool index_arriving_put(struct index_txn *txn, unsigned said);

bool index_keywords_find(struct index_txn *txn, uint32_t id,
	struct str *names);
must_check bool index_keywords_put(struct index_txn *txn, uint32_t id,
	struct str names);

#endif
