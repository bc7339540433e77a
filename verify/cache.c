#include "verify/cache.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/table.h"
#include "maps/change.h"

/* Heap, with its text behind it. */
struct cached {
	struct entry entry;
	char text[];
};

struct cache {
	const struct conf *conf;
	struct table *entries;
	size_t most;
	bool has_table;
	bool is_all; /* the whole table is to be written */
	struct buf changes;
};

struct cache *cache_new(const struct conf *conf, bool has_table, size_t most)
{
	struct cache *cache = mem_new(1, sizeof(*cache));

	cache->conf = conf;
	cache->entries = table_new();
	cache->most = most;
	cache->has_table = has_table;
	return cache;
}

void cache_free(struct cache *cache)
{
	for (struct table_walk w = { 0 }; table_next(cache->entries, &w);)
		free(w.value);
	table_free(cache->entries);
	buf_free(&cache->changes);
	free(cache);
}

/* ---- what is to be written ---- */

void cache_note_all(struct cache *cache)
{
	buf_free(&cache->changes);
	cache->is_all = cache->has_table;
}

/* So many that all is not much more. */
static void note_none_if_many(struct cache *cache)
{
	if (cache->changes.len > CACHE_CHANGES_MOST)
		cache_note_all(cache);
}

static void put_change(struct buf *out, struct str address,
	const struct entry *entry)
{
	auto_buf struct buf value = { 0 };

	entry_format(&value, entry);
	change_put(out, address, buf_str(&value));
}

static void note(struct cache *cache, struct str address,
	const struct entry *entry)
{
	if (!cache->has_table || cache->is_all)
		return;
	if (entry)
		put_change(&cache->changes, address, entry);
	else
		change_delete(&cache->changes, address);
	note_none_if_many(cache);
}

bool cache_has_changes(const struct cache *cache)
{
	return cache->is_all || cache->changes.len > 0;
}

bool cache_take(struct cache *cache, struct buf *changes)
{
	bool is_all = cache->is_all;

	*changes = cache->changes;
	cache->changes = (struct buf){ 0 };
	cache->is_all = false;
	if (!is_all)
		return false;
	for (struct table_walk w = { 0 }; table_next(cache->entries, &w);) {
		const struct cached *cached = w.value;

		put_change(changes, w.key, &cached->entry);
	}
	return true;
}

/* ---- entries ---- */

static void drop(struct cache *cache, struct str address)
{
	struct cached *cached = table_find(cache->entries, address);

	if (!cached)
		return;
	note(cache, address, NULL);
	(void)table_remove(cache->entries, address);
	free(cached);
}

static bool is_good(const struct entry *entry)
{
	return entry->result == PROBE_DELIVERABLE;
}

static bool is_over(int64_t since_s, struct span life, int64_t now_s)
{
	return now_s - since_s >= span_to_s(life);
}

static bool has_expired(const struct cache *cache, const struct entry *entry,
	int64_t now_s)
{
	const struct conf *conf = cache->conf;

	return is_over(entry->updated_s, is_good(entry) ?
		conf->address_verify_positive_expire_time :
		conf->address_verify_negative_expire_time, now_s);
}

bool cache_is_due(const struct cache *cache, const struct entry *entry,
	int64_t now_s)
{
	const struct conf *conf = cache->conf;

	return is_over(entry->updated_s, is_good(entry) ?
			conf->address_verify_positive_refresh_time :
			conf->address_verify_negative_refresh_time, now_s) &&
		is_over(entry->probed_s, span_s(PROBE_AGAIN_S), now_s);
}

struct cache_counts cache_sweep(struct cache *cache, int64_t now_s)
{
	struct cache_counts counts = { 0 };

	for (struct table_walk w = { 0 }; table_next(cache->entries, &w);) {
		const struct cached *cached = w.value;

		if (!has_expired(cache, &cached->entry, now_s))
			continue;
		counts.dropped++;
		note(cache, w.key, NULL);
		free(table_remove(cache->entries, w.key));
	}
	counts.retained = table_count(cache->entries);
	return counts;
}

/* Room for one more. What goes is probed again if it is asked for: the walk has
 * no order that others know. */
static void make_room(struct cache *cache, int64_t now_s)
{
	size_t enough = cache->most - cache->most / 16;

	if (table_count(cache->entries) < cache->most)
		return;
	(void)cache_sweep(cache, now_s);
	for (struct table_walk w = { 0 };
		table_count(cache->entries) >= enough &&
		table_next(cache->entries, &w);) {
		note(cache, w.key, NULL);
		free(table_remove(cache->entries, w.key));
	}
}

static const struct entry *keep(struct cache *cache, struct str address,
	const struct entry *entry, int64_t now_s)
{
	struct str text = str_first(entry->text, ENTRY_TEXT_MOST);
	struct cached *cached = mem_new(1, sizeof(*cached) + text.len + 1);

	cached->entry = *entry;
	if (text.len > 0)
		memcpy(cached->text, text.p, text.len);
	cached->entry.text = str_of(cached->text, text.len);
	if (!table_find(cache->entries, address))
		make_room(cache, now_s);
	free(table_put(cache->entries, address, cached));
	return &cached->entry;
}

void cache_load(struct cache *cache, struct str address,
	const struct entry *entry, int64_t now_s)
{
	if (has_expired(cache, entry, now_s))
		note(cache, address, NULL);
	else if (entry->result != PROBE_UNKNOWN)
		(void)keep(cache, address, entry, now_s);
}

const struct entry *cache_find(struct cache *cache, struct str address,
	int64_t now_s)
{
	const struct cached *cached = table_find(cache->entries, address);

	if (!cached)
		return NULL;
	if (!has_expired(cache, &cached->entry, now_s))
		return &cached->entry;
	drop(cache, address);
	return NULL;
}

/* A success stands: it may be a passing trouble. */
static bool stands(struct cache *cache, struct str address, int64_t now_s)
{
	struct cached *cached = table_find(cache->entries, address);

	if (!cached || !is_good(&cached->entry) ||
		has_expired(cache, &cached->entry, now_s))
		return false;
	cached->entry.probed_s = now_s;
	note(cache, address, &cached->entry);
	return true;
}

void cache_put(struct cache *cache, struct str address,
	enum probe_result result, struct str text, int64_t now_s)
{
	struct entry entry = { .result = result, .updated_s = now_s,
		.text = text };

	if (address.len > ENTRY_ADDRESS_MOST)
		return;
	if (!is_good(&entry)) {
		if (stands(cache, address, now_s))
			return;
		if (!cache->conf->address_verify_negative_cache) {
			drop(cache, address);
			return;
		}
	}
	note(cache, address, keep(cache, address, &entry, now_s));
}

size_t cache_count(const struct cache *cache)
{
	return table_count(cache->entries);
}
