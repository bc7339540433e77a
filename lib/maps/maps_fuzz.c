/*
 * The first line of the input is a list of tables, the rest keys, one a line.
 * Types that open files or ask other processes are left out, and regexp:,
 * whose run time the C library does not bound.
 */
#include "base/log.h"
#include "maps/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "pcre:{", "cidr:{",
		"inline:{", "unionmap:{inline:{" };
	struct str in = str_of(data, size), list, key, value;
	struct arena *arena = arena_new(0);
	static const struct conf *conf;

	if (!conf)
		conf = conf_for_test(arena_new(0), NULL);
	log_sink(be_silent);
	if (str_take_line(&in, &list))
		for (size_t i = 0; i < COUNT(types); i++) {
			struct str text = arena_fmt(arena, "%s%.*s}", types[i],
				STR_ARG(list));
			struct maps *maps = maps_open(arena, conf, "fuzz",
				text, 0);
			struct str keys = in;

			while (str_take_line(&keys, &key))
				(void)maps_find(maps, arena, key, &value);
		}
	arena_free(arena);
	return 0;
}
