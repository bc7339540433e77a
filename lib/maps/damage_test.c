/*
 * Tables that were damaged on the disk: they cannot be opened, or answer
 * something; no question ends the process.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "maps/build.h"
#include "maps/driver.h"

enum {
	ENTRIES = 400,
	DAMAGES = 150, /* of each type */
};

static char path[64];
static const struct conf *conf;

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static bool make(struct arena *arena, const char *type)
{
	struct build build;

	if (!build_open(arena, conf, str_from(type), str_from(path), 0,
		    &build))
		return false;
	for (int i = 0; i < ENTRIES; i++) {
		struct buf value = BUF_IN(arena);

		for (int k = 0; k < (i % 20 ? 3 : 900); k++)
			buf_fmt(&value, "value%d ", i);
		assert_int_equal(build_put(&build,
			arena_fmt(arena, "key%d", i), buf_str(&value)),
			BUILD_PUT);
	}
	return build_commit(&build, 0600);
}

/* Found and walked through. */
static void use(struct arena *arena, struct map *map)
{
	struct map_walk walk = { 0 };
	struct str value;

	for (int i = 0; i < ENTRIES + 20; i += 3)
		(void)map_find(map, arena, arena_fmt(arena, "key%d", i),
			&value);
	for (int i = 0; i < 5 * ENTRIES && map->driver->next &&
		map->driver->next(map, arena, &walk);
		i++)
		(void)map_find(map, arena, walk.key, &value);
}

static void try(const char *type)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str error;
	struct map *map = map_open_or(arena, conf,
		arena_fmt(arena, "%s:%s", type, path), 0, 0, &error);

	if (map)
		use(arena, map);
	else
		assert_true(error.len > 0);
}

static void spoil(char *octets, size_t size, unsigned *dice)
{
	unsigned count = 1 + (unsigned)rand_r(dice) % 8;

	for (unsigned i = 0; i < count; i++) {
		size_t at = (size_t)rand_r(dice) % size;

		if (i % 2) /* near the head of a page */
			at = at / 4096 * 4096 + at % 64;
		if (at < size)
			octets[at] = (char)rand_r(dice);
	}
}

static void put(const char *file, const char *octets, size_t size)
{
	auto_close int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0 && fd_write_all(fd, octets, size));
}

static void damage(const char *type, const char *suffix)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *file = arena_fmt(arena, "%s.%s", path, suffix).p;
	unsigned dice = 1;
	char *whole, *octets;
	size_t size;
	int fd;

	if (!make(arena, type))
		return; /* not in this program */
	fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	size = (size_t)lseek(fd, 0, SEEK_END);
	whole = arena_alloc(arena, size);
	octets = arena_alloc(arena, size);
	assert_int_equal(pread(fd, whole, size, 0), size);
	close(fd);
	try(type);
	for (int i = 0; i < DAMAGES; i++) {
		memcpy(octets, whole, size);
		spoil(octets, size, &dice);
		put(file, octets, i % 10 ? size : (size_t)rand_r(&dice) % size);
		try(type);
	}
	maps_watch_none();
	unlink(file);
}

static void tables_may_be_damaged(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* in that heap Berkeley DB's verify reads beyond a page */
#endif
	log_sink(be_silent);
	conf = conf_for_test(arena_new(0), (const char *const[]){ NULL });
	snprintf(path, sizeof(path), "/tmp/damage-test.%d", getpid());
	damage("lmdb", "lmdb");
	damage("cdb", "cdb");
	damage("hash", "db");
	damage("btree", "db");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_may_be_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
