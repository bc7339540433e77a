#include "queue/walk.h"

#include "base/log.h"

void walk_files(struct store *store, enum queue_name queue, walk_each *each,
	void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct spool_ids ids;

	if (!spool_list(store->disk, arena, queue, false, &ids))
		log_warning("%s: %m", queue_name_text(queue));
	for (size_t i = 0; i < ids.count; i++) {
		auto_arena struct arena *one = arena_new(0);
		struct stored *stored;

		if (store_load_file(store, one, queue, ids.ids[i], &stored) ==
			STORE_FOUND)
			each(context, stored);
	}
}

struct walk {
	struct store *store;
	walk_each *each;
	void *context;
};

static void visit_place(void *context, const struct place *place)
{
	struct walk *walk = context;
	auto_arena struct arena *arena = arena_new(0);
	struct stored *stored;

	if (store_load_slot(walk->store, arena, place, true, &stored) ==
		STORE_FOUND)
		walk->each(walk->context, stored);
}

void walk_slots(struct store *store, walk_each *each, void *context)
{
	struct walk walk = { store, each, context };

	(void)!store_scan(store, true, visit_place, &walk);
}
