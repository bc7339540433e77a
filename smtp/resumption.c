#include "smtp/resumption.h"

#include "base/table.h"

struct resumption {
	struct arena *arena;
	struct str octets;
};

static struct table *resumptions; /* by key; made by resumption_keep */

struct str resumption_find(struct arena *arena, struct str key)
{
	const struct resumption *kept =
		resumptions ? table_find(resumptions, key) : NULL;

	return kept ? arena_copy(arena, kept->octets) : STR_NONE;
}

/* Any: who is asked for again has a new one after the next conversation. */
static void forget_one(void)
{
	struct table_walk walk = { 0 };
	struct resumption *any;

	if (!table_next(resumptions, &walk))
		return;
	any = walk.value;
	table_remove(resumptions, walk.key);
	arena_free(any->arena);
}

static void put(struct str key, struct str octets)
{
	struct arena *arena = arena_new(0);
	struct resumption *kept = arena_new_of(arena, struct resumption), *old;

	*kept = (struct resumption){ arena, arena_copy(arena, octets) };
	old = table_put(resumptions, key, kept);
	if (old)
		arena_free(old->arena);
}

void resumption_keep(struct str key, struct str octets)
{
	if (octets.len == 0)
		return;
	if (!resumptions)
		resumptions = table_new();
	if (!table_find(resumptions, key) &&
		table_count(resumptions) >= RESUMPTIONS_MOST)
		forget_one();
	put(key, octets);
}
