/*
 * mailbox/rows - rows of the tables in the index's environment, for index.c
 * and the index_*.c beside it only.
 *
 * Memory   values are LMDB's, until the end of the transaction
 * Waits    no
 * Errors   said in the log; the transaction is then good for nothing else than
 *          index_abort
 */
#ifndef MAILBOX_ROWS_H
#define MAILBOX_ROWS_H

#include <arpa/inet.h>
#include <lmdb.h>

#include "mailbox/index.h"

enum {
	MAILBOXES,
	MESSAGES,
	FACTS,
	DIGESTS,
	EXPUNGED,
	KEYWORDS,
	WORDS,
	PACKS,
	META,
	TABLES,
};

struct index {
	MDB_env *env;
	MDB_dbi tables[TABLES];
	int boot;
	char *path;
	bool is_sparse; /* a page here and there is read: index_read_ahead */
};

struct index_txn {
	MDB_txn *txn;
	struct index *index;
	bool failed;
};

struct message_key {
	uint32_t id, uid; /* in network order, so that they sort */
};

static inline struct message_key key_of(uint32_t id, uint32_t uid)
{
	return (struct message_key){ htonl(id), htonl(uid) };
}

static inline MDB_val val_of(const void *p, size_t len)
{
	union {
		const void *in;
		void *out;
	} same = { .in = p }; /* LMDB reads only */

	return (MDB_val){ .mv_size = len, .mv_data = same.out };
}

static inline MDB_val val_str(struct str s)
{
	return val_of(s.p, s.len);
}

/* Of a call of LMDB: not done, or there is no such row. */
bool rows_failed(struct index_txn *txn, const char *what, int error);
bool rows_find(struct index_txn *txn, int table, MDB_val key, MDB_val *val);
must_check bool rows_put(struct index_txn *txn, int table, MDB_val key,
	MDB_val val);
/* Fine when it is not there. */
must_check bool rows_drop(struct index_txn *txn, int table, MDB_val key);
/* All rows whose keys begin so. */
must_check bool rows_clear(struct index_txn *txn, int table,
	const void *prefix, size_t len);
must_check bool rows_clear_mailbox(struct index_txn *txn, int table,
	uint32_t id);

#endif
