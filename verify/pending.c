#include "verify/pending.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/table.h"

struct pendings {
	struct table *table;
	size_t most;
	struct span life;
};

static struct str copy_of(struct str text)
{
	char *copy = mem_new(1, text.len + 1);

	if (text.len > 0)
		memcpy(copy, text.p, text.len);
	return str_of(copy, text.len);
}

static void free_str(struct str text)
{
	free((char *)(uintptr_t)text.p);
}

struct pendings *pendings_new(size_t most, struct span life)
{
	struct pendings *pendings = mem_new(1, sizeof(*pendings));

	pendings->table = table_new();
	pendings->most = most;
	pendings->life = life;
	return pendings;
}

void pending_release(struct pending *pending)
{
	if (--pending->holders > 0 || !pending->is_over)
		return;
	free_str(pending->address);
	free_str(pending->text);
	free(pending);
}

/* Nobody finds it any more; `pending` may be gone then. */
static void end(struct pendings *pendings, struct pending *pending)
{
	(void)table_remove(pendings->table, pending->address);
	pending->is_over = true;
	io_event_wake_all(&pending->end);
	pending->holders++;
	pending_release(pending);
}

void pendings_free(struct pendings *pendings)
{
	for (struct table_walk w = { 0 }; table_next(pendings->table, &w);)
		end(pendings, w.value);
	table_free(pendings->table);
	free(pendings);
}

static bool is_lost(const struct pending *pending)
{
	return moment_left(pending->until).us == 0;
}

static void drop_lost(struct pendings *pendings)
{
	for (struct table_walk w = { 0 }; table_next(pendings->table, &w);)
		if (is_lost(w.value))
			end(pendings, w.value);
}

size_t pendings_count(const struct pendings *pendings)
{
	return table_count(pendings->table);
}

struct pending *pending_find(struct pendings *pendings, struct str address)
{
	struct pending *pending = table_find(pendings->table, address);

	if (!pending)
		return NULL;
	if (is_lost(pending)) {
		end(pendings, pending);
		return NULL;
	}
	pending->holders++;
	return pending;
}

struct pending *pending_begin(struct pendings *pendings, struct str address)
{
	struct pending *pending;

	if (table_count(pendings->table) >= pendings->most)
		drop_lost(pendings);
	if (table_count(pendings->table) >= pendings->most)
		return NULL;
	pending = mem_new(1, sizeof(*pending));
	pending->address = copy_of(address);
	pending->result = PROBE_UNKNOWN;
	pending->text = copy_of(STR(""));
	pending->until = moment_after(pendings->life);
	pending->holders = 1;
	io_event_init(&pending->end);
	table_put(pendings->table, pending->address, pending);
	return pending;
}

bool pending_wait(struct pending *pending, struct span time)
{
	struct moment limit = moment_after(time);

	while (!pending->is_over) {
		struct span left = moment_left(limit);

		if (left.us == 0 || !io_event_wait(&pending->end, left))
			break;
	}
	return pending->is_over;
}

void pending_end(struct pendings *pendings, struct str address,
	enum probe_result result, struct str text)
{
	struct pending *pending = table_find(pendings->table, address);

	if (!pending)
		return;
	pending->result = result;
	free_str(pending->text);
	pending->text = copy_of(str_first(text, ENTRY_TEXT_MOST));
	end(pendings, pending);
}
