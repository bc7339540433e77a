/*
 * Rows of the search index.
 */
#include "mailbox/rows.h"

#include <stddef.h>

struct words_key {
	uint32_t id, segment, kind, block;
};

static struct words_key words_key_of(uint32_t id, uint32_t segment,
	uint32_t kind, uint32_t block)
{
	return (struct words_key){ htonl(id), htonl(segment), htonl(kind),
		htonl(block) };
}

bool index_words_find(struct index_txn *txn, uint32_t id, uint32_t segment,
	uint32_t kind, uint32_t block, struct str *row)
{
	struct words_key key = words_key_of(id, segment, kind, block);
	MDB_val val;

	/* The row of the mailbox itself is asked for before it is used. */
	if (segment != 0)
		index_read_ahead(txn);
	if (!rows_find(txn, WORDS, val_of(&key, sizeof(key)), &val))
		return false;
	*row = str_of(val.mv_data, val.mv_size);
	return true;
}

bool index_words_put(struct index_txn *txn, uint32_t id, uint32_t segment,
	uint32_t kind, uint32_t block, struct str row)
{
	struct words_key key = words_key_of(id, segment, kind, block);

	return rows_put(txn, WORDS, val_of(&key, sizeof(key)), val_str(row));
}

bool index_words_remove(struct index_txn *txn, uint32_t id, uint32_t segment)
{
	struct words_key key = words_key_of(id, segment, 0, 0);

	return rows_clear(txn, WORDS, &key, offsetof(struct words_key, kind));
}
