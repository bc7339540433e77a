/*
 * A cdb file of foreign octets: opened, walked and asked.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "maps/driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENTRIES_MOST = 1000 };

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

static void look(struct arena *arena, struct map *map)
{
	struct map_walk walk = { 0 };
	struct str value;

	for (int i = 0; i < ENTRIES_MOST &&
		map->driver->next(map, arena, &walk);
		i++)
		(void)map_find(map, arena, walk.key, &value);
	(void)map_find(map, arena, STR("key"), &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf *conf;
	static char path[64];
	struct arena *arena = arena_new(0);
	struct map *map;
	struct str error;
	int fd;

	if (!conf) {
		log_sink(be_silent);
		conf = conf_for_test(arena_new(0), NULL);
		snprintf(path, sizeof(path), "/tmp/cdb_fuzz.%d", getpid());
	}
	fd = open(arena_fmt(arena, "%s.cdb", path).p,
		O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && fd_write_all(fd, data, size)) {
		map = map_open_or(arena, conf, arena_fmt(arena, "cdb:%s", path),
			0, 0, &error);
		if (map)
			look(arena, map);
	}
	base_close(&fd);
	unlink(arena_fmt(arena, "%s.cdb", path).p);
	arena_free(arena);
	return 0;
}
