/*
 * base/table - hash tables from slices to pointers.
 *
 * Keys are copied, or borrowed if so asked for; values belong to the caller. Removal while walking is
 * allowed for the element that the walk is at.
 *
 * Memory   heap
 * Waits    no
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/arena.h"

struct table;

struct table *table_new(void);
/* Same, but keys are compared without case (ASCII). */
struct table *table_new_nocase(void);
/* Same, but keys are not copied: they outlive the table. */
struct table *table_new_borrowing(void);
void table_free(struct table *table);

/* NULL: not there. */
void *table_find(const struct table *table, struct str key);
/* Returns the value that was there before, or NULL. value is not NULL. */
void *table_put(struct table *table, struct str key, void *value);
/* Returns the value that was removed, or NULL. */
void *table_remove(struct table *table, struct str key);
size_t table_count(const struct table *table);

struct table_walk {
	size_t at;
	struct str key; /* of the element found last */
	void *value;
};

/* for (struct table_walk w = { 0 }; table_next(t, &w);) ... */
bool table_next(const struct table *table, struct table_walk *walk);

#endif
