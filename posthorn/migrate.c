/*
 * posthorn migrate-tables - LMDB files beside those of Berkeley DB, for every
 * hash: and btree: table that the configuration names. What is there stays.
 */
#include "posthorn/posthorn.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"
#include "config/list.h"
#include "maps/build.h"
#include "maps/survey.h"

struct migration {
	struct command_line *line;
	struct table *done; /* names */
	bool is_trial;      /* only say what would be done */
	bool failed;
};

static bool fill(struct build *build, struct map *map, size_t *count)
{
	struct map_walk walk = { 0 };
	auto_arena struct arena *arena = arena_new(0);

	*count = 0;
	while (map->driver->next(map, arena, &walk)) {
		if (build_put(build, walk.key, walk.value) == BUILD_FAILED)
			return false;
		arena_reset(arena);
		++*count;
	}
	return true;
}

/* As the file it is made from. */
static bool keep_owner(const struct build *build, const struct stat *st)
{
	return geteuid() != 0 ||
		chown(build->path.p, st->st_uid, st->st_gid) == 0;
}

static bool stat_any(struct arena *arena, struct str name, struct stat *st)
{
	return stat(arena_join(arena, name, STR(".db")).p, st) == 0 ||
		stat(arena_cstr(arena, name), st) == 0;
}

static bool migrate(struct command_line *line, struct map *map,
	struct str name)
{
	struct build build;
	struct stat st;
	size_t count;

	if (!stat_any(line->arena, name, &st)) {
		log_error("%.*s: %m", STR_ARG(name));
		return false;
	}
	if (!build_open(line->arena, line->conf, STR("lmdb"), name, 0,
		    &build)) {
		log_error("%.*s", STR_ARG(build.error));
		return false;
	}
	if (!fill(&build, map, &count)) {
		build_abandon(&build);
		log_error("%.*s", STR_ARG(build.error));
		return false;
	}
	if (!build_commit(&build, st.st_mode & 0777)) {
		log_error("%.*s", STR_ARG(build.error));
		return false;
	}
	printf("%.*s -> lmdb:%.*s (%zu entries)\n", STR_ARG(map->label),
		STR_ARG(name), count);
	return keep_owner(&build, &st);
}

static void found(void *context, struct str table)
{
	struct migration *m = context;
	struct str type, name, error;
	struct map *map;

	if (!list_split_table(table, &type, &name) ||
		table_put(m->done, name, m))
		return;
	if (m->is_trial) {
		printf("%.*s -> lmdb:%.*s\n", STR_ARG(table), STR_ARG(name));
		return;
	}
	map = map_open_or(m->line->arena, m->line->conf, table, 0, 0, &error);
	if (!map)
		log_error("%.*s", STR_ARG(error));
	if (!map || !migrate(m->line, map, name))
		m->failed = true;
}

int run_migrate_tables(struct command_line *line)
{
	struct migration m = { .line = line, .done = table_new() };

	m.is_trial = line->argc == 1 && strcmp(line->argv[0], "--dry-run") == 0;
	if (line->argc > m.is_trial) {
		log_error("usage: posthorn migrate-tables [--dry-run]");
		return 1;
	}
	maps_survey_types(line->conf, "hash, btree", found, &m);
	if (table_count(m.done) == 0)
		printf("no hash: or btree: table is named\n");
	else
		printf("write lmdb: instead of hash: and btree:, here and in "
		       "default_database_type; a program without Berkeley DB "
		       "takes the new files as they are\n");
	table_free(m.done);
	return m.failed ? 1 : 0;
}
