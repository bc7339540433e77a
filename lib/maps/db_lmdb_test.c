/*
 * hash: and btree: as in a program without Berkeley DB: db_lmdb.c is linked
 * in, whatever configure chose.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "maps/build.h"
#include "maps/maps.h"

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

/* `age`: seconds before now. */
static void write_text(struct str name, const char *text, time_t age)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age } };
	FILE *file = fopen(name.p, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, name.p, times, 0), 0);
}

static void look(struct str table, const char *key, const char *value)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	struct maps *maps = maps_open(arena, conf, "x", table, 0);
	struct str found;
	enum maps_result result =
		maps_find(maps, arena, str_from(key), &found);

	assert_int_equal(result, value ? MAPS_FOUND : MAPS_ABSENT);
	if (value)
		assert_str(found, value);
	arena_free(arena);
}

static void makes_files_on_demand(void **state)
{
	struct arena *arena = arena_new(0);
	char folder[] = "/tmp/db_lmdb_test.XXXXXX";
	struct str name, hash, btree, made;

	(void)state;
	assert_non_null(mkdtemp(folder));
	name = arena_fmt(arena, "%s/table", folder);
	hash = arena_join(arena, STR("hash:"), name);
	btree = arena_join(arena, STR("btree:"), name);
	made = arena_join(arena, name, STR(".lmdb"));
	write_text(name, "Key value\nother  one\n two\n", 100);
	look(hash, "key", "value");
	look(btree, "other", "one two");
	look(hash, "third", NULL);
	assert_int_equal(access(made.p, F_OK), 0);
	/* newer than what was made of it */
	write_text(name, "root: admin\nList: a, b\n", -100);
	look(hash, "list", "a, b");
	look(hash, "key", NULL);
	unlink(name.p);
	look(btree, "root", "admin");
	unlink(made.p);
	assert_int_equal(rmdir(folder), 0);
	arena_free(arena);
}

static void writes_lmdb_instead(void **state)
{
	struct arena *arena = arena_new(0);
	const struct conf *conf = conf_for_test(arena, NULL);
	char folder[] = "/tmp/db_lmdb_test.XXXXXX";
	struct build build;
	struct str name;

	(void)state;
	assert_non_null(mkdtemp(folder));
	name = arena_fmt(arena, "%s/table", folder);
	assert_true(build_open(arena, conf, STR("hash"), name, 0, &build));
	assert_int_equal(build_put(&build, STR("a"), STR("b")), BUILD_PUT);
	assert_true(build_commit(&build, 0600));
	assert_true(str_ends(build.path, STR(".lmdb")));
	look(arena_join(arena, STR("btree:"), name), "a", "b");
	unlink(build.path.p);
	assert_int_equal(rmdir(folder), 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_files_on_demand),
		cmocka_unit_test(writes_lmdb_instead),
	};

	log_sink(be_silent);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
