/*
 * resolver/cache - answers by name and type, for as long as they are true.
 *
 * An entry begins empty, while the question is under way; whoever wants the
 * same waits for it. Filled, it is kept until its time to live is over or the
 * cache is full (least recently used goes first).
 *
 * Memory   an arena per entry, gone when the cache and the last holder drop it
 * Waits    cache_wait
 */
#ifndef RESOLVER_CACHE_H
#define RESOLVER_CACHE_H

#include "base/span.h"
#include "dns/dns.h"

struct cache;
struct cache_entry;

/* most: entries; ttl_limit: nothing is kept longer. */
struct cache *cache_new(size_t most, struct span ttl_limit);
void cache_free(struct cache *cache);

/* Fresh, or under way; NULL: begin one. `name` is lower case. */
struct cache_entry *cache_find(struct cache *cache, struct str name,
	enum dns_type type);
struct cache_entry *cache_begin(struct cache *cache, struct str name,
	enum dns_type type);
struct arena *cache_arena(struct cache_entry *entry);
/* Copies the answer and wakes who waits. */
void cache_fill(struct cache *cache, struct cache_entry *entry,
	const struct dns_answer *answer);

/* Keep the entry alive across a wait. */
void cache_hold(struct cache_entry *entry);
void cache_drop(struct cache_entry *entry);
/* Until it is filled; false: cancelled. */
must_check bool cache_wait(struct cache_entry *entry);
const struct dns_answer *cache_answer(const struct cache_entry *entry);
/* Seconds it is still true. */
uint32_t cache_ttl(const struct cache_entry *entry);
size_t cache_count(const struct cache *cache);

#endif
