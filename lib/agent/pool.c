#include "agent/pool.h"

#include "base/list.h"
#include "base/table.h"
#include "service/service.h"

#include <stdlib.h>

struct entry {
	struct list link; /* the longest unused first */
	char *key;
	size_t key_len;
	struct peer *peer;
};

enum {
	REAP_MS = 100, /* a system call that seldom finds anything */
};

static struct {
	struct table *by_key;
	struct list entries;
	struct moment reap_again;
} pool;

static struct str key_of(const struct entry *entry)
{
	return str_of(entry->key, entry->key_len);
}

static void drop(struct entry *entry)
{
	if (table_find(pool.by_key, key_of(entry)) == entry)
		table_remove(pool.by_key, key_of(entry));
	list_remove(&entry->link);
	peer_close(entry->peer);
	free(entry->key);
	free(entry);
}

/* It does nothing any more; what a child that ends has in hand is finished. */
static bool is_idle(const struct entry *entry)
{
	return !peer_is_alive(entry->peer) || peer_calls(entry->peer) == 0;
}

/* Ended ones, and those too many that have no work. */
static void tidy(void)
{
	list_each(link, &pool.entries) {
		struct entry *entry = CONTAINER(link, struct entry, link);

		if (is_idle(entry) && (!peer_takes_calls(entry->peer) ||
					      table_count(pool.by_key) >=
						      POOL_MOST))
			drop(entry);
	}
}

static struct peer *add(struct str key, const struct child_plan *plan)
{
	struct peer *peer = child_fork(plan);
	struct entry *entry;

	if (!peer)
		return NULL;
	entry = mem_new(1, sizeof(*entry));
	entry->key = mem_new(key.len + 1, 1);
	memcpy(entry->key, key.p, key.len);
	entry->key_len = key.len;
	entry->peer = peer;
	table_put(pool.by_key, key, entry);
	list_append(&pool.entries, &entry->link);
	return peer;
}

static void reap(void)
{
	int crashed;

	pool.reap_again = moment_after(span_ms(REAP_MS));
	child_reap(&crashed);
	if (crashed)
		service_replace();
}

struct peer *pool_find(struct str key, const struct child_plan *plan)
{
	struct entry *entry;

	if (!pool.by_key) {
		pool.by_key = table_new();
		list_init(&pool.entries);
	}
	entry = table_find(pool.by_key, key);
	if (!entry || !peer_is_alive(entry->peer) ||
		moment_left(pool.reap_again).us == 0)
		reap();
	if (entry && peer_takes_calls(entry->peer)) {
		list_remove(&entry->link);
		list_append(&pool.entries, &entry->link);
		return entry->peer;
	}
	tidy();
	return add(key, plan);
}
