/*
 * hash: and btree: where Berkeley DB was not there when this was built: an
 * LMDB file, path.lmdb, serves instead. One that is missing or older than the
 * text file is made now, and the log says so.
 */
#include "maps/build_type.h"
#include "maps/driver.h"

#include <sys/stat.h>

#include "base/log.h"
#include "config/file.h"
#include "maps/text.h"

const struct build_type build_hash = { .type = "hash",
	.instead = &build_lmdb };
const struct build_type build_btree = { .type = "btree",
	.instead = &build_lmdb };

/* Is there a text file, and no LMDB file that is as new? */
static bool is_outdated(struct arena *arena, struct str name, mode_t *mode)
{
	struct stat text, made;
	struct str path = arena_join(arena, name, STR(".lmdb"));

	if (stat(arena_cstr(arena, name), &text) < 0)
		return false;
	*mode = text.st_mode & 0777;
	return stat(path.p, &made) < 0 ||
		made.st_mtim.tv_sec < text.st_mtim.tv_sec;
}

/* True: "name: value" lines, as of aliases(5). */
static bool is_alias_file(struct arena *arena, struct str text)
{
	struct main_cf in = text_open(text);
	struct text_entry entry;

	return text_take_table(arena, &in, &entry) &&
		entry.fault == TEXT_IS_ALIAS;
}

static bool fill(struct build *build, struct str text)
{
	bool is_alias = is_alias_file(build->arena, text);
	struct main_cf in = text_open(text);
	struct text_entry entry;

	while (is_alias ? text_take_alias(build->arena, &in, &entry) :
			  text_take_table(build->arena, &in, &entry))
		if ((entry.fault == TEXT_FINE ||
			    entry.fault == TEXT_IS_ALIAS) &&
			build_put(build, arena_lower(build->arena, entry.key),
				entry.value) == BUILD_FAILED)
			return false;
	return true;
}

static bool make(const struct map_opening *opening, mode_t mode)
{
	auto_arena struct arena *arena = arena_new(0);
	struct build build;
	struct str text;

	if (!file_read(arena, arena_cstr(arena, opening->name), &text) ||
		!build_open(arena, opening->conf, STR("lmdb"), opening->name,
			0, &build))
		return false;
	if (!fill(&build, text)) {
		build_abandon(&build);
		return false;
	}
	return build_commit(&build, mode);
}

static void *instead_open(struct map_opening *opening)
{
	mode_t mode;

	if (is_outdated(opening->arena, opening->name, &mode)) {
		if (!make(opening, mode))
			return map_cannot(opening, "%.*s:%.*s: there is no "
				"Berkeley DB in this program, and %.*s.lmdb "
				"cannot be made here; run: posthorn "
				"migrate-tables",
				STR_ARG(opening->type), STR_ARG(opening->name),
				STR_ARG(opening->name));
		log_info("%.*s:%.*s: there is no Berkeley DB in this program: "
			 "made %.*s.lmdb from %.*s",
			STR_ARG(opening->type), STR_ARG(opening->name),
			STR_ARG(opening->name), STR_ARG(opening->name));
	}
	return map_lmdb.open(opening);
}

static enum maps_result instead_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	return map_lmdb.find(map, arena, key, value);
}

static bool instead_next(struct map *map, struct arena *arena,
	struct map_walk *walk)
{
	return map_lmdb.next(map, arena, walk);
}

const struct map_driver map_hash = {
	.type = "hash",
	.open = instead_open,
	.find = instead_find,
	.next = instead_next,
};

const struct map_driver map_btree = {
	.type = "btree",
	.open = instead_open,
	.find = instead_find,
	.next = instead_next,
};
