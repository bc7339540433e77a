/*
 * Rows of mailboxes: id, UIDVALIDITY and what else is known of each; and the
 * names of its keywords.
 */
#include "mailbox/rows.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum {
	KEY_MOST = 500, /* LMDB's limit is 511 */
	READ_AHEAD = 64 * 1024,
};

/* Numbers under a name in "meta". */
static bool next_number(struct index_txn *txn, const char *name,
	uint32_t least, uint32_t *number)
{
	MDB_val val;

	*number = least;
	if (rows_find(txn, META, val_str(str_from(name)), &val) &&
		val.mv_size == sizeof(*number)) {
		memcpy(number, val.mv_data, sizeof(*number));
		*number = *number + 1 > least ? *number + 1 : least;
	}
	return rows_put(txn, META, val_str(str_from(name)),
		val_of(number, sizeof(*number)));
}

bool index_mailbox_new(struct index_txn *txn, struct index_mailbox *row)
{
	return next_number(txn, "next_id", 1, &row->id) &&
		next_number(txn, "uidvalidity", (uint32_t)time(NULL),
			&row->uidvalidity);
}

bool index_mailbox_find(struct index_txn *txn, struct str name,
	struct index_mailbox *row)
{
	MDB_val val;

	if (name.len == 0 || name.len > KEY_MOST ||
		!rows_find(txn, MAILBOXES, val_str(name), &val) ||
		val.mv_size != sizeof(*row))
		return false;
	memcpy(row, val.mv_data, sizeof(*row));
	return true;
}

bool index_mailbox_put(struct index_txn *txn, struct str name,
	const struct index_mailbox *row)
{
	return name.len <= KEY_MOST && rows_put(txn, MAILBOXES, val_str(name),
		val_of(row, sizeof(*row)));
}

bool index_mailbox_clear(struct index_txn *txn, uint32_t id)
{
	return rows_clear_mailbox(txn, MESSAGES, id) &&
		rows_clear_mailbox(txn, FACTS, id) &&
		rows_clear_mailbox(txn, DIGESTS, id) &&
		rows_clear_mailbox(txn, EXPUNGED, id) &&
		rows_clear_mailbox(txn, PACKS, id) &&
		rows_clear_mailbox(txn, WORDS, id);
}

bool index_mailbox_remove(struct index_txn *txn, struct str name)
{
	struct index_mailbox row;
	uint32_t id;

	if (!index_mailbox_find(txn, name, &row))
		return !txn->failed;
	id = htonl(row.id);
	return index_mailbox_clear(txn, row.id) &&
		rows_drop(txn, KEYWORDS, val_of(&id, sizeof(id))) &&
		rows_drop(txn, MAILBOXES, val_str(name));
}

bool index_mailbox_rename(struct index_txn *txn, struct str from,
	struct str to)
{
	struct index_mailbox row;

	if (!index_mailbox_remove(txn, to))
		return false;
	if (!index_mailbox_find(txn, from, &row))
		return !txn->failed;
	return index_mailbox_put(txn, to, &row) &&
		rows_drop(txn, MAILBOXES, val_str(from));
}

/* All of it at once from the disk, not a window of it at each fault. */
static void read_ahead(const struct index *index, MDB_val val)
{
	MDB_stat stat;
	char *p = val.mv_data;
	size_t behind;

	mdb_env_stat(index->env, &stat);
	behind = (uintptr_t)p % stat.ms_psize;
	if (val.mv_size > READ_AHEAD)
		(void)!madvise(p - behind, val.mv_size + behind,
			MADV_WILLNEED);
}

bool index_pack_find(struct index_txn *txn, uint32_t id, struct str *pack)
{
	uint32_t key = htonl(id);
	MDB_val val;

	if (!rows_find(txn, PACKS, val_of(&key, sizeof(key)), &val))
		return false;
	read_ahead(txn->index, val);
	*pack = str_of(val.mv_data, val.mv_size);
	return true;
}

bool index_pack_put(struct index_txn *txn, uint32_t id, struct str pack)
{
	uint32_t key = htonl(id);

	return rows_put(txn, PACKS, val_of(&key, sizeof(key)), val_str(pack));
}

unsigned index_arriving(struct index_txn *txn)
{
	uint32_t said = 0;
	MDB_val val;

	if (rows_find(txn, META, val_str(STR("arriving")), &val) &&
		val.mv_size == sizeof(said))
		memcpy(&said, val.mv_data, sizeof(said));
	return said;
}

bool index_arriving_put(struct index_txn *txn, unsigned said)
{
	uint32_t number = said;

	return rows_put(txn, META, val_str(STR("arriving")),
		val_of(&number, sizeof(number)));
}

bool index_keywords_find(struct index_txn *txn, uint32_t id,
	struct str *names)
{
	uint32_t key = htonl(id);
	MDB_val val;

	if (!rows_find(txn, KEYWORDS, val_of(&key, sizeof(key)), &val))
		return false;
	*names = str_of(val.mv_data, val.mv_size);
	return true;
}

bool index_keywords_put(struct index_txn *txn, uint32_t id,
	struct str names)
{
	uint32_t key = htonl(id);

	return rows_put(txn, KEYWORDS, val_of(&key, sizeof(key)), val_str(names));
}
