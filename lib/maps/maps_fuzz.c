/*
 * Each source of a lookup table. The first octet chooses a row of `types`; the
 * table's source follows, to a NUL; the rest is keys, one a line. Databases
 * are not here: the libraries that made them read them.
 */
#include "base/log.h"
#include "maps/driver.h"
#include "maps/match.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	SOURCE_MOST = 4096,
	KEYS_MOST = 16,
	REGEX_MOST = 200,
};

static const struct type {
	const char *before, *after; /* of the source; no `after`: a file */
	bool is_regex;
} types[] = {
	{ "texthash:" },
	{ "pcre:" },
	{ "cidr:" },
	{ "regexp:", NULL, true },
	{ "regexp:{", "}", true },
	{ "pcre:{", "}" },
	{ "cidr:{", "}" },
	{ "inline:{", "}" },
	{ "static:", "" },
	{ "environ:", "" },
	{ "randmap:{", "}" },
	{ "unionmap:{", "}" },
	{ "pipemap:{", "}" },
	{ "debug:", "" },
};

static void be_silent(enum log_level level, struct str line)
{
	(void)level;
	(void)line;
}

/* Of the types in the source, and behind it in the list, none opens or asks
 * anything. */
static bool is_harmless(struct str source)
{
	static const char *const words[] = { "cidr", "debug", "environ",
		"fail", "inline", "pcre", "pipemap", "randmap", "static",
		"unionmap" };

	for (size_t colon; (colon = str_find_char(source, ':')) != SIZE_MAX;
		source = str_skip(source, colon + 1)) {
		size_t from = colon;
		struct str word;
		bool found = false;

		while (from > 0 &&
			ascii_is_alnum((unsigned char)source.p[from - 1]))
			from--;
		word = str_of(source.p + from, colon - from);
		for (size_t i = 0; i < COUNT(words); i++)
			found |= str_is(word, words[i]);
		if (!found && map_driver_find(word))
			return false;
	}
	return true;
}

/* The C library bounds neither the time nor the stack of a pattern, which is
 * the administrator's; here its own bugs are not looked for. */
static bool is_bounded(struct str source)
{
	bool escaped = false;

	for (size_t i = 0; i < source.len; i++) {
		if (source.p[i] == '{' ||
			(escaped && ascii_is_digit((unsigned char)source.p[i])))
			return false;
		escaped = source.p[i] == '\\';
	}
	return source.len <= REGEX_MOST;
}

/* A name under which a table of text finds the source. */
static struct str file_of(struct arena *arena, struct str source)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("source", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 ||
		pwrite(fd, source.p, source.len, 0) != (ssize_t)source.len)
		panic("memfd: %m");
	return arena_fmt(arena, "/proc/self/fd/%d", fd);
}

static void ask(struct arena *arena, const struct conf *conf,
	struct str table, struct str keys)
{
	struct maps *maps = maps_open(arena, conf, "fuzz", table, MAPS_DIRECT);
	struct match *match = match_open(arena, conf, "fuzz", table);
	struct str key, value;

	for (int i = 0; i < KEYS_MOST && str_take_line(&keys, &key); i++) {
		if (maps_find(maps, arena, key, &value) == MAPS_FOUND)
			(void)arena_copy(arena, value);
		(void)match_string(match, arena, key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size), source, table;
	static const struct conf *conf;
	const struct type *type;
	struct arena *arena;

	if (!conf)
		conf = conf_for_test(arena_new(0), NULL);
	log_sink(be_silent);
	if (size == 0)
		return 0;
	type = &types[data[0] % COUNT(types)];
	in = str_skip(in, 1);
	source = str_take_until(&in, '\0');
	if (source.len > SOURCE_MOST ||
		(type->after && !is_harmless(source)) ||
		(type->is_regex && !is_bounded(source)))
		return 0;
	arena = arena_new(0);
	if (!type->after)
		source = file_of(arena, source);
	table = arena_fmt(arena, "%s%.*s%s", type->before, STR_ARG(source),
		type->after ? type->after : "");
	ask(arena, conf, table, in);
	arena_free(arena);
	maps_watch_none();
	return 0;
}
