/*
 * verify/store - address_verify_map: the table that keeps the cache while
 * nobody serves it.
 *
 * It is read once, at the start, and changed now and then, by a helper thread:
 * what a power cut or kill takes is probed again.
 *
 * Waits    store_write (a helper); store_open for the disk
 */
#ifndef VERIFY_STORE_H
#define VERIFY_STORE_H

#include "verify/cache.h"

struct store;

/* In .prepare. NULL: there is none to be, or (logged) none that can be
 * written. "proxy:" is left out: nobody else changes it. */
struct store *store_open(struct arena *arena, const struct conf *conf);
/* "btree:/var/lib/posthorn/verify_cache" */
struct str store_name(const struct store *store);
/* Also in .prepare: its entries. What cannot be read is made anew. */
void store_load(struct store *store, struct cache *cache);
/* False: not written (logged), and the cache shall give all of it next time. */
must_check bool store_write(struct store *store, struct cache *cache);

#endif
