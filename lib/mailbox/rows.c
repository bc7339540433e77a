#include "mailbox/rows.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

bool rows_failed(struct index_txn *txn, const char *what, int error)
{
	if (error == 0 || error == MDB_NOTFOUND)
		return error != 0;
	log_warning("%s: %s: %s", txn->index->path, what, mdb_strerror(error));
	txn->failed = true;
	return true;
}

bool rows_find(struct index_txn *txn, int table, MDB_val key, MDB_val *val)
{
	return !rows_failed(txn, "read", mdb_get(txn->txn,
		txn->index->tables[table], &key, val));
}

bool rows_put(struct index_txn *txn, int table, MDB_val key, MDB_val val)
{
	return !rows_failed(txn, "write", mdb_put(txn->txn,
		txn->index->tables[table], &key, &val, 0));
}

bool rows_drop(struct index_txn *txn, int table, MDB_val key)
{
	rows_failed(txn, "remove", mdb_del(txn->txn, txn->index->tables[table],
		&key, NULL));
	return !txn->failed;
}

bool rows_clear(struct index_txn *txn, int table, const void *prefix,
	size_t len)
{
	MDB_val key = val_of(prefix, len), val;
	MDB_cursor *cursor;
	int error;

	if (rows_failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[table], &cursor)))
		return false;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size >= len &&
		memcmp(key.mv_data, prefix, len) == 0) {
		error = mdb_cursor_del(cursor, 0);
		if (error == 0)
			error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	rows_failed(txn, "clear", error);
	return !txn->failed;
}

bool rows_clear_mailbox(struct index_txn *txn, int table, uint32_t id)
{
	struct message_key first = key_of(id, 0);

	return rows_clear(txn, table, &first.id, sizeof(first.id));
}
