#include "base/table.h"

#include <stdlib.h>

/* Open addressing with linear probing; a removed element leaves a tomb. */
struct slot {
	const char *key; /* NULL: never used */
	size_t len;
	uint64_t hash;
	void *value; /* NULL with a key: a tomb */
};

struct table {
	struct slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t live, used;
	bool nocase;
	bool borrows; /* keys are their owner's */
};

struct table *table_new(void)
{
	return mem_new(1, sizeof(struct table));
}

struct table *table_new_nocase(void)
{
	struct table *table = table_new();

	table->nocase = true;
	return table;
}

struct table *table_new_borrowing(void)
{
	struct table *table = table_new();

	table->borrows = true;
	return table;
}

static const char *take_key(const struct table *table, struct str key)
{
	char *copy;

	if (table->borrows)
		return key.p ? key.p : "";
	copy = mem_new(key.len + 1, 1);
	if (key.len)
		memcpy(copy, key.p, key.len);
	return copy;
}

static void drop_key(const struct table *table, const char *key)
{
	union {
		const char *in;
		void *out;
	} same = { .in = key }; /* which take_key made */

	if (!table->borrows)
		free(same.out);
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->size; i++)
		drop_key(table, table->slots[i].key);
	free(table->slots);
	free(table);
}

static uint64_t hash_of(const struct table *table, struct str key)
{
	return table->nocase ? str_hash_nocase(key) : str_hash(key);
}

static bool is_key(const struct table *table, const struct slot *slot,
	uint64_t hash, struct str key)
{
	struct str have = str_of(slot->key, slot->len);

	if (slot->hash != hash)
		return false;
	return table->nocase ? str_eq_nocase(have, key) : str_eq(have, key);
}

static struct slot *find(const struct table *table, struct str key,
	uint64_t hash)
{
	if (table->size == 0)
		return NULL;
	for (size_t i = hash & (table->size - 1);;
		i = (i + 1) & (table->size - 1)) {
		struct slot *slot = &table->slots[i];

		if (!slot->key)
			return NULL;
		if (slot->value && is_key(table, slot, hash, key))
			return slot;
	}
}

static struct slot *unused(struct slot *slots, size_t size, uint64_t hash)
{
	size_t i = hash & (size - 1);

	while (slots[i].key)
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static void rehash(struct table *table)
{
	size_t size = 16;
	struct slot *slots;

	while (size < table->live * 4)
		size *= 2;
	slots = mem_new(size, sizeof(*slots));
	for (size_t i = 0; i < table->size; i++) {
		struct slot *slot = &table->slots[i];

		if (slot->value)
			*unused(slots, size, slot->hash) = *slot;
		else
			drop_key(table, slot->key);
	}
	free(table->slots);
	table->slots = slots;
	table->size = size;
	table->used = table->live;
}

void *table_find(const struct table *table, struct str key)
{
	struct slot *slot = table->live == 0 ? NULL :
		find(table, key, hash_of(table, key));

	return slot ? slot->value : NULL;
}

void *table_put(struct table *table, struct str key, void *value)
{
	uint64_t hash = hash_of(table, key);
	struct slot *slot = find(table, key, hash);
	void *before = NULL;

	if (slot) {
		before = slot->value;
		slot->value = value;
		return before;
	}
	if ((table->used + 1) * 4 > table->size * 3)
		rehash(table);
	slot = unused(table->slots, table->size, hash);
	slot->key = take_key(table, key);
	slot->len = key.len;
	slot->hash = hash;
	slot->value = value;
	table->live++;
	table->used++;
	return NULL;
}

void *table_remove(struct table *table, struct str key)
{
	struct slot *slot = find(table, key, hash_of(table, key));
	void *value;

	if (!slot)
		return NULL;
	value = slot->value;
	slot->value = NULL;
	table->live--;
	return value;
}

size_t table_count(const struct table *table)
{
	return table->live;
}

bool table_next(const struct table *table, struct table_walk *walk)
{
	while (walk->at < table->size) {
		const struct slot *slot = &table->slots[walk->at++];

		if (!slot->value)
			continue;
		walk->key = str_of(slot->key, slot->len);
		walk->value = slot->value;
		return true;
	}
	return false;
}
