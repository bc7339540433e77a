/*
 * Rows of messages: flags and names, facts, digests.
 */
#include "mailbox/rows.h"

#include <stdlib.h>
#include <string.h>

static bool take_row(MDB_val val, struct index_message *message,
	struct str *name)
{
	if (val.mv_size <= sizeof(*message))
		return false;
	memcpy(message, val.mv_data, sizeof(*message));
	*name = str_skip(str_of(val.mv_data, val.mv_size), sizeof(*message));
	return true;
}

bool index_message_find(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct index_message *message, struct str *name)
{
	struct message_key key = key_of(id, uid);
	MDB_val val;

	return rows_find(txn, MESSAGES, val_of(&key, sizeof(key)), &val) &&
		take_row(val, message, name) && message->uid == uid;
}

void index_messages_each(struct index_txn *txn, uint32_t id,
	void (*each)(void *context, const struct index_message *message,
		struct str name), void *context)
{
	struct message_key first = key_of(id, 0);
	MDB_val key = val_of(&first, sizeof(first)), val;
	struct index_message message;
	MDB_cursor *cursor;
	int error;

	index_read_ahead(txn);
	if (rows_failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[MESSAGES], &cursor)))
		return;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(first) &&
		memcmp(key.mv_data, &first.id, sizeof(first.id)) == 0) {
		struct str name;

		if (take_row(val, &message, &name))
			each(context, &message, name);
		error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	rows_failed(txn, "read", error);
}

bool index_message_put(struct index_txn *txn, uint32_t id,
	const struct index_message *message, struct str name)
{
	struct message_key key = key_of(id, message->uid);
	MDB_val at = val_of(&key, sizeof(key));
	MDB_val val = { .mv_size = sizeof(*message) + name.len };

	if (rows_failed(txn, "write", mdb_put(txn->txn,
		txn->index->tables[MESSAGES], &at, &val, MDB_RESERVE)))
		return false;
	memcpy(val.mv_data, message, sizeof(*message));
	memcpy((char *)val.mv_data + sizeof(*message), name.p, name.len);
	return true;
}

bool index_message_remove(struct index_txn *txn, uint32_t id, uint32_t uid)
{
	struct message_key key = key_of(id, uid);

	return rows_drop(txn, MESSAGES, val_of(&key, sizeof(key))) &&
		rows_drop(txn, FACTS, val_of(&key, sizeof(key))) &&
		rows_drop(txn, DIGESTS, val_of(&key, sizeof(key)));
}

bool index_facts_find(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str *facts)
{
	struct message_key key = key_of(id, uid);
	MDB_val val;

	if (!rows_find(txn, FACTS, val_of(&key, sizeof(key)), &val))
		return false;
	*facts = str_of(val.mv_data, val.mv_size);
	return true;
}

bool index_facts_put(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str facts)
{
	struct message_key key = key_of(id, uid);

	return rows_put(txn, FACTS, val_of(&key, sizeof(key)), val_str(facts));
}

struct index_walk {
	struct index_txn *txn;
	MDB_cursor *cursor;
	uint32_t id;
	bool is_placed; /* on a row */
};

struct index_walk *index_walk_begin(struct index_txn *txn, uint32_t id)
{
	struct index_walk *walk = mem_new(1, sizeof(*walk));

	index_read_ahead(txn);
	walk->txn = txn;
	walk->id = id;
	if (!rows_failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[FACTS], &walk->cursor)))
		return walk;
	free(walk);
	return NULL;
}

bool index_walk_find(struct index_walk *walk, uint32_t uid,
	struct str *facts)
{
	struct message_key wanted = key_of(walk->id, uid);
	MDB_val key = val_of(&wanted, sizeof(wanted)), val;
	int error = MDB_NOTFOUND;

	if (walk->is_placed) {
		error = mdb_cursor_get(walk->cursor, &key, &val, MDB_NEXT);
		if (error == 0 && (key.mv_size != sizeof(wanted) ||
			memcmp(key.mv_data, &wanted, sizeof(wanted)) != 0))
			error = MDB_NOTFOUND;
	}
	if (error != 0) {
		key = val_of(&wanted, sizeof(wanted));
		error = mdb_cursor_get(walk->cursor, &key, &val, MDB_SET_KEY);
	}
	walk->is_placed = error == 0;
	if (rows_failed(walk->txn, "read", error))
		return false;
	*facts = str_of(val.mv_data, val.mv_size);
	return true;
}

void index_walk_end(struct index_walk *walk)
{
	if (!walk)
		return;
	mdb_cursor_close(walk->cursor);
	free(walk);
}

bool index_digest_put(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str digest)
{
	struct message_key key = key_of(id, uid);

	return rows_put(txn, DIGESTS, val_of(&key, sizeof(key)), val_str(digest));
}

bool index_digest_find(struct index_txn *txn, uint32_t id, uint32_t uid,
	struct str *digest)
{
	struct message_key key = key_of(id, uid);
	MDB_val val;

	if (!rows_find(txn, DIGESTS, val_of(&key, sizeof(key)), &val))
		return false;
	*digest = str_of(val.mv_data, val.mv_size);
	return true;
}

void index_digests_each(struct index_txn *txn, uint32_t id, uint32_t from,
	uint32_t to, void (*each)(void *context, uint32_t uid,
		struct str digest), void *context)
{
	struct message_key first = key_of(id, from), found;
	MDB_val key = val_of(&first, sizeof(first)), val;
	MDB_cursor *cursor;
	int error;

	index_read_ahead(txn);
	if (rows_failed(txn, "cursor", mdb_cursor_open(txn->txn,
		txn->index->tables[DIGESTS], &cursor)))
		return;
	error = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
	while (error == 0 && key.mv_size == sizeof(found)) {
		memcpy(&found, key.mv_data, sizeof(found));
		if (found.id != first.id || ntohl(found.uid) > to)
			break;
		each(context, ntohl(found.uid),
			str_of(val.mv_data, val.mv_size));
		error = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	rows_failed(txn, "read", error);
}
