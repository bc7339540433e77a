/*
 * What was expunged, by the modseq at which that happened.
 */
#include "mailbox/rows.h"

#include <string.h>

enum {
	EXPUNGED_MOST = 20000, /* remembered of one mailbox; then half goes */
};

/* In network order, so that they sort. */
struct expunged_key {
	uint32_t id, high, low, uid;
};

static struct expunged_key expunged_key_of(uint32_t id, uint64_t modseq,
	uint32_t uid)
{
	return (struct expunged_key){ htonl(id),
		htonl((uint32_t)(modseq >> 32)), htonl((uint32_t)modseq),
		htonl(uid) };
}

/* All that happened at one modseq goes together. */
static bool forget_half(struct index_txn *txn, struct index_mailbox *row)
{
	struct expunged_key first = expunged_key_of(row->id, 0, 0), found;
	MDB_val key = val_of(&first, sizeof(first)), val;
	MDB_cursor *cursor;
	int error;

	if (rows_failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[EXPUNGED], &cursor)))
		return false;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(found)) {
		uint64_t modseq;

		memcpy(&found, key.mv_data, sizeof(found));
		modseq = (uint64_t)ntohl(found.high) << 32 | ntohl(found.low);
		if (found.id != first.id ||
			(row->expunged_count <= EXPUNGED_MOST / 2 &&
				modseq > row->expunged_from))
			break;
		row->expunged_from = modseq;
		row->expunged_count--;
		error = mdb_cursor_del(cursor, 0);
		if (error == 0)
			error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	rows_failed(txn, "forget", error);
	return !txn->failed;
}

bool index_expunged_put(struct index_txn *txn, struct index_mailbox *row,
	uint64_t modseq, uint32_t uid)
{
	struct expunged_key key = expunged_key_of(row->id, modseq, uid);

	if (!rows_put(txn, EXPUNGED, val_of(&key, sizeof(key)), val_of("", 0)))
		return false;
	return ++row->expunged_count <= EXPUNGED_MOST ||
		forget_half(txn, row);
}

void index_expunged_each(struct index_txn *txn, uint32_t id, uint64_t after,
	void (*each)(void *context, uint32_t uid), void *context)
{
	struct expunged_key first = expunged_key_of(id, after + 1, 0), found;
	MDB_val key = val_of(&first, sizeof(first)), val;
	MDB_cursor *cursor;
	int error;

	if (rows_failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[EXPUNGED], &cursor)))
		return;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(found)) {
		memcpy(&found, key.mv_data, sizeof(found));
		if (found.id != first.id)
			break;
		each(context, ntohl(found.uid));
		error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	rows_failed(txn, "read", error);
}
