#include "resolver/cache.h"

#include "base/list.h"
#include "base/table.h"
#include "io/fiber.h"

enum {
	NEGATIVE_MOST_S = 3 * 3600, /* RFC 2308 5 */
	FAILURE_S = 1,              /* RFC 9520 3.2 */
};

struct cache_entry {
	struct list link; /* least recently used first; none: under way */
	struct arena *arena;
	struct str key;
	struct dns_answer answer;
	struct moment expires;
	struct io_event filled_event;
	unsigned holders; /* the cache itself is one while it is listed */
	bool filled;
};

struct cache {
	struct table *table;
	struct list used;
	size_t most;
	struct span ttl_limit;
};

struct cache *cache_new(size_t most, struct span ttl_limit)
{
	struct cache *cache = mem_new(1, sizeof(*cache));

	cache->table = table_new();
	cache->most = most;
	cache->ttl_limit = ttl_limit;
	list_init(&cache->used);
	return cache;
}

void cache_hold(struct cache_entry *entry)
{
	entry->holders++;
}

void cache_drop(struct cache_entry *entry)
{
	if (--entry->holders == 0)
		arena_free(entry->arena);
}

static void forget(struct cache *cache, struct cache_entry *entry)
{
	table_remove(cache->table, entry->key);
	list_remove(&entry->link);
	cache_drop(entry);
}

void cache_free(struct cache *cache)
{
	while (!list_is_empty(&cache->used))
		forget(cache, CONTAINER(list_first(&cache->used),
				      struct cache_entry, link));
	table_free(cache->table);
	base_free(&cache);
}

/* All octets of the name: a format would end at a NUL, and the answer for
 * "a.example\0.b.example" would be that for a.example, too. */
static struct str key_of(struct arena *arena, struct str name,
	enum dns_type type)
{
	return arena_join(arena, arena_fmt(arena, "%d ", (int)type), name);
}

struct cache_entry *cache_find(struct cache *cache, struct str name,
	enum dns_type type)
{
	auto_arena struct arena *arena = arena_new(0);
	struct cache_entry *entry =
		table_find(cache->table, key_of(arena, name, type));

	if (!entry || !entry->filled)
		return entry;
	if (moment_left(entry->expires).us <= 0) {
		forget(cache, entry);
		return NULL;
	}
	list_remove(&entry->link);
	list_append(&cache->used, &entry->link);
	return entry;
}

struct cache_entry *cache_begin(struct cache *cache, struct str name,
	enum dns_type type)
{
	struct arena *arena = arena_new(0);
	struct cache_entry *entry = arena_new_of(arena, struct cache_entry);

	entry->arena = arena;
	entry->key = key_of(arena, name, type);
	entry->holders = 1;
	io_event_init(&entry->filled_event);
	table_put(cache->table, entry->key, entry);
	return entry;
}

struct arena *cache_arena(struct cache_entry *entry)
{
	return entry->arena;
}

static struct span lifetime(const struct cache *cache,
	const struct dns_answer *answer)
{
	uint32_t ttl = answer->ttl;
	struct span span;

	if (answer->status == DNS_TEMPORARY || answer->status == DNS_MALFORMED)
		ttl = FAILURE_S;
	else if (answer->status != DNS_FOUND && ttl > NEGATIVE_MOST_S)
		ttl = NEGATIVE_MOST_S;
	span = span_s(ttl);
	return span.us < cache->ttl_limit.us ? span : cache->ttl_limit;
}

static void copy_answer(struct arena *arena, const struct dns_answer *from,
	struct dns_answer *to)
{
	*to = *from;
	to->canonical = arena_copy(arena, from->canonical);
	to->text = arena_copy(arena, from->text);
	to->records = arena_array(arena, from->count + 1, sizeof(struct str));
	for (size_t i = 0; i < from->count; i++)
		to->records[i] = arena_copy(arena, from->records[i]);
}

void cache_fill(struct cache *cache, struct cache_entry *entry,
	const struct dns_answer *answer)
{
	struct span span = lifetime(cache, answer);

	copy_answer(entry->arena, answer, &entry->answer);
	entry->expires = moment_after(span);
	entry->filled = true;
	io_event_wake_all(&entry->filled_event);
	list_append(&cache->used, &entry->link);
	if (span.us <= 0)
		forget(cache, entry);
	while (table_count(cache->table) > cache->most &&
		!list_is_empty(&cache->used))
		forget(cache, CONTAINER(list_first(&cache->used),
				      struct cache_entry, link));
}

bool cache_wait(struct cache_entry *entry)
{
	while (!entry->filled)
		if (!io_event_wait(&entry->filled_event, SPAN_FOREVER))
			return false;
	return true;
}

const struct dns_answer *cache_answer(const struct cache_entry *entry)
{
	return &entry->answer;
}

uint32_t cache_ttl(const struct cache_entry *entry)
{
	int64_t left = span_to_s(moment_left(entry->expires));

	return left > 0 ? (uint32_t)left : 0;
}

size_t cache_count(const struct cache *cache)
{
	return table_count(cache->table);
}
