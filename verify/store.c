#include "verify/store.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "config/list.h"
#include "io/helper.h"
#include "maps/change.h"
#include "maps/driver.h"
#include "sandbox/sandbox.h"

enum {
	MODE = 0600, /* addresses are nobody else's to read */
};

struct store {
	const struct conf *conf;
	struct str table, type, name; /* "btree:/x", "btree", "/x" */
};

struct str store_name(const struct store *store)
{
	return store->table;
}

static void allow_folder(struct arena *arena, struct str path)
{
	size_t at = str_rfind_char(path, '/');

	if (at != SIZE_MAX)
		sandbox_allow('w', arena_cstr(arena, str_first(path, at + 1)));
}

struct store *store_open(struct arena *arena, const struct conf *conf)
{
	struct store *store = arena_new_of(arena, struct store);

	store->conf = conf;
	store->table = str_trim(conf->address_verify_map);
	(void)str_take_prefix(&store->table, STR("proxy:"));
	if (store->table.len == 0)
		return NULL;
	if (!list_split_table(store->table, &store->type, &store->name) ||
		!build_suffix(store->type)) {
		log_warning("address_verify_map: %.*s is no table that can be "
			    "changed; results are kept in memory only",
			STR_ARG(store->table));
		return NULL;
	}
	allow_folder(arena, store->name);
	return store;
}

/* ---- reading ---- */

static bool is_there(struct arena *arena, const struct store *store)
{
	struct str path = arena_fmt(arena, "%.*s.%s", STR_ARG(store->name),
		build_suffix(store->type));
	struct stat st;

	return stat(path.p, &st) == 0 || errno != ENOENT;
}

/* Rows of ours and Postfix's; it has a row that is none, with the time of its
 * last sweep. */
static void load_row(struct cache *cache, const struct map_walk *row,
	int64_t now_s)
{
	struct entry entry;

	if (row->key.len <= ENTRY_ADDRESS_MOST &&
		entry_parse(row->value, &entry))
		cache_load(cache, row->key, &entry, now_s);
}

void store_load(struct store *store, struct cache *cache)
{
	auto_arena struct arena *arena = arena_new(0);
	struct arena *row = arena_child(arena);
	struct map_walk walk = { 0 };
	struct str why = STR("");
	int64_t now_s = wall_us() / 1000000;
	struct map *map;

	if (!is_there(arena, store))
		return;
	map = map_open_or(arena, store->conf, store->table,
		MAPS_KEEP_CASE | MAPS_DIRECT, 0, &why);
	if (!map || !map->driver->next) {
		log_warning("address_verify_map: %.*s: %.*s; it is begun anew",
			STR_ARG(store->table), STR_ARG(why));
		cache_note_all(cache);
		return;
	}
	while (map->driver->next(map, row, &walk)) {
		load_row(cache, &walk, now_s);
		arena_reset(row);
	}
}

/* ---- writing, in the helper ---- */

struct job {
	struct store *store;
	struct str rows;
	bool is_all;
	struct arena *arena;
	struct str error;
};

static bool apply(struct build *build, struct str rows)
{
	struct change change;

	while (change_take(&rows, &change)) {
		if (!change.is_delete) {
			if (build_put(build, change.key, change.value) ==
				BUILD_FAILED)
				return false;
		} else if (!build_delete(build, change.key) &&
			!str_is_none(build->error)) {
			return false;
		}
	}
	return true;
}

static int run(void *context)
{
	struct job *job = context;
	struct store *store = job->store;
	struct build build = { .error = STR_NONE };

	if (build_open(job->arena, store->conf, store->type, store->name,
		    BUILD_REPLACE | (job->is_all ? 0 : BUILD_CHANGE),
		    &build)) {
		if (!apply(&build, job->rows))
			build_abandon(&build);
		else if (build_commit(&build, MODE))
			return 0;
	}
	job->error = build.error;
	return -1;
}

bool store_write(struct store *store, struct cache *cache)
{
	auto_arena struct arena *arena = arena_new(0);
	auto_buf struct buf rows = { 0 };
	struct job job = { .store = store, .arena = arena };

	job.is_all = cache_take(cache, &rows);
	job.rows = buf_str(&rows);
	if (io_help(run, &job) == 0)
		return true;
	log_warning("address_verify_map: %.*s: %.*s", STR_ARG(store->table),
		STR_ARG(job.error));
	cache_note_all(cache);
	return false;
}
