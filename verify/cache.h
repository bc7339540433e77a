/*
 * verify/cache - what probes have found, address by address.
 *
 * All of it is in memory; what changes is noted as well as a row of
 * maps/change, for the table that outlives the process.
 *
 * A success is refreshed in the background and stays what it is when that
 * fails (until it expires); a failure is replaced by whatever comes next.
 *
 * Memory   heap; entries are the cache's, until the next call that changes it
 * Waits    no
 */
#ifndef VERIFY_CACHE_H
#define VERIFY_CACHE_H

#include "config/config.h"
#include "verify/entry.h"

enum {
	CACHE_MOST = 200000,            /* addresses; some 300 octets each */
	CACHE_CHANGES_MOST = 16 << 20,  /* octets that wait to be written */
	PROBE_AGAIN_S = 1000, /* after one that has failed, or is lost */
};

struct cache;

/* has_table: changes are noted. */
struct cache *cache_new(const struct conf *conf, bool has_table, size_t most);
void cache_free(struct cache *cache);

/* As the table has it: one that has expired is noted to be deleted there. */
void cache_load(struct cache *cache, struct str address,
	const struct entry *entry, int64_t now_s);
/* NULL: nothing is known, or not any more. */
const struct entry *cache_find(struct cache *cache, struct str address,
	int64_t now_s);
/* It is time to probe this address again. */
bool cache_is_due(const struct cache *cache, const struct entry *entry,
	int64_t now_s);
/* What a probe has found. */
void cache_put(struct cache *cache, struct str address,
	enum probe_result result, struct str text, int64_t now_s);

struct cache_counts {
	size_t retained, dropped;
};

/* Those that have expired go. */
struct cache_counts cache_sweep(struct cache *cache, int64_t now_s);
size_t cache_count(const struct cache *cache);

/* The next cache_take gives all there is: the table is gone, or unknown. */
void cache_note_all(struct cache *cache);
bool cache_has_changes(const struct cache *cache);
/* Rows of maps/change in *changes, the caller's to free. True: they are the
 * whole table, not what is new in it. */
bool cache_take(struct cache *cache, struct buf *changes);

#endif
