/*
 * mailbox/mailbox - one IMAP mailbox of a user's store: its messages, and
 * what may be done with them.
 *
 * All connections of a process that use the mailbox share one struct mailbox;
 * what one of them does the others see at once (mailbox/view.h tells them).
 * Other processes of the same user and other programs that change the Maildir
 * are noticed by mailbox_refresh.
 *
 * Flags    IMAP_* bits (imap/take.h) and MAILBOX_* bits below; keywords are
 *          bits of a set, numbered by the mailbox's list of names
 * Memory   the messages' array is the mailbox's; a pointer into it is good
 *          until the next call that may wait or change the mailbox
 * Waits    mailbox_save_settle, mailbox_save_publish, mailbox_save_end,
 *          mailbox_copy: until durable; the end of a save's arena: until
 *          nobody flushes it; others do not
 */
#ifndef MAILBOX_MAILBOX_H
#define MAILBOX_MAILBOX_H

#include "base/list.h"
#include "base/span.h"
#include "imap/digest.h"
#include "imap/set.h"
#include "imap/take.h"
#include "mailbox/driver.h"
#include "mailbox/index.h"

struct mailbox_store;
struct mailbox_gathered;

enum {
	MAILBOX_KEYWORDS_MOST = 64,
	MAILBOX_RESERVED = 1000, /* uids that a write of the uidlist reserves */
	MAILBOX_PATH_MOST = 512,
	MAILBOX_IN_NEW = 0x100,  /* its file is in new/ */
	MAILBOX_PENDING = 0x200, /* its file's name does not show its flags */
};

#define MAILBOX_SIZE_UNKNOWN UINT64_MAX
#define MAILBOX_DATE_UNKNOWN INT64_MIN /* ask mailbox_dates */

struct mailbox_message {
	struct index_message is;
	char *name; /* of the entry on disk; NULL: mailbox_find_whole has it */
};

/* What was asked for of the messages behind the one that was read
 * (prefetch.c). */
struct mailbox_prefetch {
	size_t last, to; /* numbers of messages, from 0; may be of others by now */
	unsigned left;   /* ask on, for so many reads */
};

struct mailbox {
	struct list link;
	struct mailbox_store *store;
	char *name; /* "INBOX", or as on the wire */
	struct index_mailbox row;
	struct mailbox_message *messages; /* ordered by uid */
	size_t count, capacity;
	char *keywords[MAILBOX_KEYWORDS_MOST]; /* NULL: a gap */
	size_t keyword_count;

	unsigned users;        /* mailbox_open without mailbox_close */
	uint64_t closed;       /* users is 0: when, by store->closes */
	uint64_t changes;      /* counts what happened in this process */
	uint64_t changed_modseq; /* no message that was there changed since */
	uint64_t unseen_at;    /* of changes: when this was found, plus 1 */
	uint32_t first_unseen;
	uint64_t dates_tried;  /* of changes: when not all were read, plus 1 */
	bool is_removed;       /* deleted, or its UIDVALIDITY changed */
	bool is_suspect;       /* somebody changed the files */
	bool is_doubtful;      /* read them all, whatever their stamps say */
	int64_t own_cur_ns;    /* stamp of cur/ after a change of ours ... */
	struct moment own_at;  /* ... and when that was; 0: none */
	bool is_followed;      /* somebody selected it */
	bool has_pending;      /* some message is MAILBOX_PENDING */
	bool has_new;          /* some message may be MAILBOX_IN_NEW */
	bool has_undated;      /* the dates of some are not known yet */
	bool is_reading;       /* somebody takes up its text ... */
	unsigned awaited;      /* ... and so many wait for that */
	uint32_t text_tried;   /* up to this uid it was done in the background */
	size_t garbage;        /* lines of the uidlist of expunged messages */
	bool is_packed;        /* names, sizes, dates are not read (load.c) ... */
	unsigned singles;      /* ... but those of so many messages */
	bool keeps_whole;      /* they were, and stay so: who uses them waits */
	bool is_met;           /* its uidlist is written behind the scan */
	bool is_unlisted;      /* ... if at all: it has none yet */
	bool is_tidied;        /* of what was left in its folders */
	size_t arriving;       /* messages that are not seen yet, but have uids
				  (mailbox/arrivals.h) */
	bool is_barred;        /* the same of another process, at the last look */
	struct mailbox_watch *watch; /* of its files; NULL: none */
	struct list watchers;  /* struct mailbox_watcher */
	struct buf learned;    /* facts that are not in the index yet */
	size_t learned_count;
	uint32_t learned_last; /* the largest uid of them */
	struct mailbox_prefetch prefetch;
	struct mailbox_remains *remains; /* mailbox/remains.h; NULL: none */
	struct mailbox_order *order; /* mailbox/order.h; NULL: none */
	struct mailbox_shared *shared; /* mailbox/view.h; NULL: none */
};

/* Told of every change of a mailbox. wake() must not wait. */
struct mailbox_watcher {
	struct list link;
	void (*wake)(void *context);
	void *context;
};

/* ---- opening ---- */

/* One more user of the mailbox; it is read or refreshed. */
must_check enum mailbox_result mailbox_open(struct mailbox_store *store,
	struct str name, struct mailbox **mailbox);
/* The same for one who adds a message and looks at nothing: those that were
 * added just now may not be there yet. */
must_check enum mailbox_result mailbox_open_to_add(
	struct mailbox_store *store, struct str name, struct mailbox **mailbox);
/* It stays in memory for the next one who opens it, for some time. */
void mailbox_close(struct mailbox *mailbox);
/* Take in what others did. claim: move files from new/ to cur/. */
must_check enum mailbox_result mailbox_refresh(struct mailbox *mailbox,
	bool claim);
/* Uids from *from on are \Recent to the caller; claim: to nobody else. */
must_check enum mailbox_result mailbox_recent(struct mailbox *mailbox,
	bool claim, uint32_t *from);
void mailbox_watch(struct mailbox *mailbox, struct mailbox_watcher *watcher);
void mailbox_unwatch(struct mailbox_watcher *watcher);

/* ---- looking ---- */

/* Its MAILBOXID, RFC 8474: stays when it is renamed. */
const char *mailbox_id(const struct mailbox *mailbox, struct arena *arena);
const char *mailbox_id_of(const struct index_mailbox *row,
	struct arena *arena);
/* Its uid; 0: all are seen. */
uint32_t mailbox_first_unseen(struct mailbox *mailbox);
/* The number, from 0, of the first message with a greater uid; count: none. */
size_t mailbox_behind(const struct mailbox *mailbox, uint32_t uid);
/* NULL: there is none with that uid. */
struct mailbox_message *mailbox_find(const struct mailbox *mailbox,
	uint32_t uid);
/* With its name, size and dates. NULL: also, they cannot be read. */
struct mailbox_message *mailbox_find_whole(struct mailbox *mailbox,
	uint32_t uid);
/* The same as mailbox_find, cheap where uids come in ascending order: *near is
 * where the last one was, 0 at first. */
struct mailbox_message *mailbox_find_near(const struct mailbox *mailbox,
	uint32_t uid, size_t *near);
/* Bit number of a keyword, without case; -1: not known. */
int mailbox_keyword(const struct mailbox *mailbox, struct str name);
/* The message as it is on disk (line ends too), in the arena; its first
 * `most` octets only, if that is not 0. */
must_check enum mailbox_result mailbox_read(struct mailbox *mailbox,
	uint32_t uid, struct arena *arena, size_t most, struct str *message);

/* What is known of a message's text once it was parsed; kept in the index. */
struct mailbox_facts {
	uint64_t size; /* octets in CRLF form */
	struct str envelope, body, structure; /* as in a FETCH response */
	struct str preview;  /* RFC 8970: UTF-8 */
	struct str email_id; /* RFC 8474: made of the message's octets, so that
				a copy has the same; empty: not made yet, as
				it takes as long as much of the rest */
	struct str thread_id; /* of the same thread, in all mailboxes */
	struct str digest;   /* NONE if it is in the index */
};

/* In the arena; reads the message if nothing is kept. with_id: the email id is
 * wanted, too. */
must_check enum mailbox_result mailbox_facts(struct mailbox *mailbox,
	uint32_t uid, struct arena *arena, bool with_id,
	struct mailbox_facts *facts);
/* Is what is kept enough? */
bool mailbox_facts_suffice(const struct mailbox_facts *facts, bool with_id);
/* So that the next one who asks finds them; the message is at hand. */
void mailbox_facts_learn(struct mailbox *mailbox, uint32_t uid,
	struct arena *arena, struct str message);
/* The same of many messages whose facts are kept, without a copy: borrowed
 * until _end. Nothing may wait from _begin to _end. */
struct mailbox_kept {
	struct index_txn *txn;
	struct index_walk *walk;
};

void mailbox_kept_begin(struct mailbox *mailbox, struct mailbox_kept *kept);
/* False: not kept, ask mailbox_facts. */
bool mailbox_kept_find(struct mailbox_kept *kept, uint32_t uid,
	struct mailbox_facts *facts);
void mailbox_kept_end(struct mailbox_kept *kept);
must_check enum mailbox_result mailbox_size(struct mailbox *mailbox,
	uint32_t uid, uint64_t *size);
/* So that the dates of these messages are known, for good: of a mailbox that is
 * met for the first time they are read when somebody asks for them. Of a
 * message that is gone they are those that its name says. */
must_check enum mailbox_result mailbox_dates(struct mailbox *mailbox,
	const uint32_t *uids, size_t count);
/* The same where mailbox_kept_find just now said that nothing is kept, or that
 * does not suffice. */
must_check enum mailbox_result mailbox_facts_unkept(struct mailbox *mailbox,
	uint32_t uid, struct arena *arena, bool with_id,
	struct mailbox_facts *facts);
/* Write what was learned into the index; done now and then anyway. */
void mailbox_keep_learned(struct mailbox *mailbox);
/* What SORT and THREAD need of these uids (ascending), in the arena; of a
 * message that is gone: nothing. Waits. */
must_check enum mailbox_result mailbox_digests(struct mailbox *mailbox,
	struct arena *arena, const uint32_t *uids, size_t count,
	struct imap_digest *digests);
/* Call each() for those of these uids (ascending) that are in the index,
 * borrowed until the end of the transaction; n: of the uid. False: one that is
 * there has none, or it is damaged. */
bool mailbox_digests_each(struct mailbox *mailbox, struct index_txn *txn,
	const uint32_t *uids, size_t count, void (*each)(void *context,
		size_t n, const struct imap_digest *digest), void *context);
/* So that each of these (ascending) that is there has one in the index.
 * False: one cannot be read now. Waits. */
must_check bool mailbox_digests_read(struct mailbox *mailbox,
	const uint32_t *uids, size_t count);

/*
 * Uids of `wanted` that were expunged after that modseq, in the arena. If the
 * index does not reach back so far: all of them that are not there, up from
 * uid `from` on (RFC 7162 3.2.5.2).
 */
must_check enum mailbox_result mailbox_vanished(struct mailbox *mailbox,
	struct arena *arena, const struct imap_set *wanted, uint64_t after,
	uint32_t from, struct imap_set *vanished);

/* ---- changing ---- */

enum mailbox_change_mode {
	MAILBOX_FLAGS_ADD,
	MAILBOX_FLAGS_REMOVE,
	MAILBOX_FLAGS_REPLACE,
};

struct mailbox_change {
	enum mailbox_change_mode mode;
	const struct imap_flags *flags;
	bool has_unchanged_since;  /* RFC 7162 3.1.3 */
	uint64_t unchanged_since;
	uint64_t modseq;           /* result: of what was changed */
	struct imap_set *modified; /* result: uids not changed because of it */
	struct arena *arena;       /* for modified */
};

/* Change flags of these uids; those that do not exist are passed over. It
 * survives a kill when this returns. */
must_check enum mailbox_result mailbox_change(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, struct mailbox_change *change);
/* Remove those of these uids that are \Deleted (any: all of them). */
must_check enum mailbox_result mailbox_expunge(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, bool any);
/*
 * Copy (or move) messages to another mailbox of the store, all or none;
 * durable when it returns. The uids in the order of the sets belong together.
 */
must_check enum mailbox_result mailbox_copy(struct arena *arena,
	struct mailbox *from, const uint32_t *uids, size_t count,
	struct mailbox *to, bool move, struct imap_set *from_uids,
	struct imap_set *to_uids);

/* ---- adding a message ---- */

struct mailbox_save;

enum {
	MAILBOX_ARRIVALS_MOST = 64, /* of one command */
};

/* NULL: *result tells. The save ends with its arena at the latest. */
struct mailbox_save *mailbox_save_begin(struct arena *arena,
	struct mailbox *mailbox, enum mailbox_result *result);
/* Octets with CRLF or LF line ends; a CR elsewhere becomes a blank. */
must_check enum mailbox_result mailbox_save_write(struct mailbox_save *save,
	struct str octets);
/* No octet follows; its text begins to be flushed. may_arrive: unless that may
 * wait until after the answer; for the first MAILBOX_ARRIVALS_MOST of those that
 * are published at once. */
must_check enum mailbox_result mailbox_save_close(struct mailbox_save *save,
	const struct imap_flags *flags, int64_t internal_s, bool may_arrive);
/* Its text is durable when this returns, if it has to be before _publish; it has
 * no descriptor any more. */
must_check enum mailbox_result mailbox_save_settle(struct mailbox_save *save);
/* Messages that were closed, of one mailbox, all or none, with uids from *uid
 * on; durable when it returns. Whoever looks at the mailbox sees them; it may
 * need some time until others do (mailbox/arrivals.h). */
must_check enum mailbox_result mailbox_save_publish(
	struct mailbox_save **saves, size_t count, uint32_t *uid);
/* Both for one message. */
must_check enum mailbox_result mailbox_save_end(struct mailbox_save *save,
	const struct imap_flags *flags, int64_t internal_s, uint32_t *uid);

/* ---- inside lib/mailbox ---- */

/* Parse a message; and a row of the index. False: it is damaged. */
void mailbox_facts_make(struct arena *arena, struct str message, bool with_id,
	struct mailbox_facts *facts);
must_check bool mailbox_facts_parse(struct str in,
	struct mailbox_facts *facts);
/* The same of a message that was parsed, with its uid, in the arena; and back,
 * for the index to keep. These do what helpers may do: _make, _record. */
struct str mailbox_facts_record(struct arena *arena, uint32_t uid,
	const struct mailbox_facts *facts);
must_check bool mailbox_facts_take(struct mailbox *mailbox, struct str record,
	struct mailbox_facts *facts);

/* The path of a file beside the mailbox, in the store. */
const char *mailbox_file_of(struct mailbox *mailbox, const char *file,
	char path[MAILBOX_PATH_MOST]);
/* Its keywords from the index. */
void mailbox_keywords_load(struct mailbox *mailbox, struct index_txn *txn);
/* Those that Dovecot's file names and the index does not: of another program,
 * or of a process of ours that was killed before its commit. */
must_check bool mailbox_keywords_take_over(struct mailbox *mailbox,
	struct index_txn *txn);
/* Each of these letters of a file's name stands for a keyword that we know. */
bool mailbox_keywords_are_named(const struct mailbox *mailbox,
	uint32_t letters);
/* All of the uidlist, durable; changes when anybody changed it. */
bool mailbox_uids_write(struct mailbox *mailbox);
uint64_t mailbox_uids_stamp(struct mailbox *mailbox);
uint64_t mailbox_uids_stamp_of(struct mailbox_store *store, const char *name);
/* Dovecot is at it: it has given files their names, and gives them uids. What a
 * dead one left is old; that there is no lock is the usual case. prefix: of
 * the mailbox's files, as layout_prefix gives it. */
bool mailbox_uids_are_locked(int dir, struct arena *arena,
	const char *prefix);
/* The same of a mailbox that was met (mailbox_store_meet), not durable. Its
 * stamp; 0: it has another program's. */
must_check bool mailbox_uids_settle(struct mailbox_store *store,
	struct index_txn *txn, const char *name, uint64_t *stamp);
/* It is durable: its row says so, and not before. A row outlives a kill, and
 * whoever comes next believes it. */
must_check bool mailbox_uids_settled(struct index_txn *txn, const char *name,
	uint64_t stamp);
/* Nobody uses it: out of memory with it. */
void mailbox_drop(struct mailbox *mailbox);
/* Everybody who watches hears it. */
void mailbox_changed(struct mailbox *mailbox);
/* The row and the messages as the index has them now; in a write
 * transaction they stay so until its end. */
must_check bool mailbox_load(struct mailbox *mailbox, struct index_txn *txn);
/* The same for one who only looks: is_packed may be set. */
must_check bool mailbox_look(struct mailbox *mailbox, struct index_txn *txn);
/* Read what a pack does not tell: of all messages; of one, in a transaction
 * that mailbox_look was called in. */
must_check bool mailbox_complete(struct mailbox *mailbox);
must_check bool mailbox_fill_in(struct mailbox *mailbox,
	struct index_txn *txn, struct mailbox_message *message);
/* The index has a pack of it as it is, or needs none. */
bool mailbox_is_packed(const struct mailbox *mailbox, struct index_txn *txn);
/* For the next process that looks, if the row is that of memory. */
must_check bool mailbox_pack(struct mailbox *mailbox, struct index_txn *txn);
/* Forget all messages, in memory only. */
void mailbox_drop_messages(struct mailbox *mailbox);
/* End a transaction, with the mailbox's row; ok: it is as it should be. Memory
 * follows the index in every case. */
must_check bool mailbox_commit(struct mailbox *mailbox,
	struct index_txn *txn, bool ok);
/* Read all files, if they were not read before, and take in what they say, in a
 * transaction of many. */
must_check enum mailbox_result mailbox_scan_in(struct mailbox *mailbox,
	struct index_txn *txn, const struct mailbox_gathered *gathered);
/* What STATUS tells of the messages, into the row, if it is not as it was when
 * that was done last. */
void mailbox_count(struct mailbox *mailbox);
/* The same, and all messages in a pack, into the index: before the mailbox is
 * dropped from memory. */
void mailbox_keep(struct mailbox *mailbox);
/* A mailbox that the index does not know, into it, in a transaction of many;
 * gathered: what was read of its files, NULL: nothing yet. False: the
 * transaction is good for nothing any more. */
must_check bool mailbox_meet(struct mailbox_store *store, struct str name,
	struct index_txn *txn, const struct mailbox_gathered *gathered);
/* After a failed transaction memory is behind or ahead of the index. */
void mailbox_reload(struct mailbox *mailbox);
/* Add at the end of memory and to the transaction. */
must_check bool mailbox_add(struct mailbox *mailbox, struct index_txn *txn,
	const struct index_message *message, const char *name);
/* Its rows go, and the expunge is remembered; memory is the caller's. */
must_check bool mailbox_forget(struct mailbox *mailbox, struct index_txn *txn,
	uint32_t uid, uint64_t modseq);
/* The next uid, reserved on disk. 0: there is none, or an error. */
uint32_t mailbox_next_uid(struct mailbox *mailbox);
/* So many of them with one write, before they are taken. */
must_check bool mailbox_reserve_uids(struct mailbox *mailbox, size_t count);
/* What becomes of keywords that the mailbox does not have yet. */
enum mailbox_keywords_new {
	MAILBOX_KEYWORDS_KNOWN, /* they are passed over */
	MAILBOX_KEYWORDS_FIT,   /* made; those over the limit are passed over */
	MAILBOX_KEYWORDS_ALL,   /* made, all of them or none: MAILBOX_LIMIT */
};

/* Bits of these keywords; in a write transaction. */
enum mailbox_result mailbox_keywords_of(struct mailbox *mailbox,
	struct index_txn *txn, const struct imap_flags *flags,
	enum mailbox_keywords_new new, uint64_t *bits);
/* Lines of new messages, at the end of the uidlist. */
void mailbox_list_uids(struct mailbox *mailbox, size_t from);
/* Nobody has changed the files since they were read (stamps.c). */
bool mailbox_stamp_is_known(struct mailbox *mailbox);
/* The same of cur/, whose stamp is this one, or is read. */
bool mailbox_stamp_cur_is(const struct mailbox *mailbox, int64_t cur_ns);
bool mailbox_stamp_cur_is_known(struct mailbox *mailbox);
/* After we changed cur/ ourselves, which was known before: no reading is
 * needed for our own change, for now. */
void mailbox_stamp_own(struct mailbox *mailbox, bool was_known);
/* What to remember of a stamp that was read before the files were. */
int64_t mailbox_stamp_trusted(int64_t stamp_ns, int64_t looked_us);
/* The next refresh reads all files. */
void mailbox_stamp_forget(struct mailbox *mailbox);
/* The dates of a message before its file is renamed, which changes them.
 * False: the index refuses. */
must_check bool mailbox_date(struct mailbox *mailbox, struct index_txn *txn,
	struct mailbox_message *message);
/* There are some to be read in the background. */
bool mailbox_date_is_wanted(const struct mailbox *mailbox);
/* Those of some more; false: none are left, or not now. */
bool mailbox_date_some(struct mailbox *mailbox);
/* The uids of its messages now, in the arena. */
uint32_t *mailbox_uids_all(const struct mailbox *mailbox, struct arena *arena);
/* As read(2), from the file of message number `at`, the first octets. */
ssize_t mailbox_prefetch_read(struct mailbox *mailbox, size_t at, int fd,
	char *octets, size_t size);
/* Give files the names that their flags ask for. False: more is left. */
bool mailbox_rename_pending(struct mailbox *mailbox);
struct mailbox_entry mailbox_entry_of(const struct mailbox_message *message);

#endif
