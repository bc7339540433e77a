#include "maps/trace.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/list.h"
#include "maps/driver.h"
#include "maps/text.h"

enum {
	BLOCK = 64 * 1024,
};

/* Who listens; set by a command before it looks anything up. */
static struct {
	void (*hit)(void *context, const struct maps_hit *hit);
	void *context;
} listener;

void maps_trace(void (*hit)(void *context, const struct maps_hit *hit),
	void *context)
{
	listener.hit = hit;
	listener.context = context;
}

void map_tell(const struct map *map, struct str key, struct str value)
{
	const struct maps_hit hit = { map->label, key, value, map->line };

	if (listener.hit)
		listener.hit(listener.context, &hit);
}

/* ---- where it stands ---- */

static bool read_text(struct arena *arena, struct str path, struct str *text)
{
	auto_close int fd = open(arena_cstr(arena, path),
		O_RDONLY | O_CLOEXEC);
	struct buf out = BUF_IN(arena);
	ssize_t got = fd < 0 ? -1 : 1;

	while (got > 0 && buf_room(&out, BLOCK)) {
		got = read(fd, out.p + out.len, BLOCK);
		if (got > 0)
			out.len += (size_t)got;
	}
	*text = buf_str(&out);
	return got == 0;
}

static unsigned find_entry(struct arena *arena, struct str text,
	struct str key, bool (*take)(struct arena *arena, struct main_cf *in,
		struct text_entry *entry))
{
	struct main_cf in = text_open(text);
	struct text_entry entry;

	while (take(arena, &in, &entry))
		if (str_eq_nocase(entry.key, key))
			return entry.line;
	return 0;
}

/* Types whose name is a text file, or the file that they were made from. */
static bool has_source(struct str type)
{
	static const char *const types[] = { "hash", "btree", "lmdb", "cdb",
		"dbm", "sdbm", "texthash", "regexp", "pcre", "cidr" };

	for (size_t i = 0; i < COUNT(types); i++)
		if (str_is(type, types[i]))
			return true;
	return false;
}

bool maps_locate(struct arena *arena, const struct maps_hit *hit,
	struct str *file, unsigned *line)
{
	struct str table = hit->table, type, text;

	(void)str_take_prefix(&table, STR("proxy:"));
	if (!list_split_table(table, &type, file) || !has_source(type) ||
		file->len == 0 || file->p[0] != '/')
		return false;
	*line = hit->line;
	if (*line || !read_text(arena, *file, &text))
		return true;
	*line = find_entry(arena, text, hit->key, text_take_table);
	if (*line == 0)
		*line = find_entry(arena, text, hit->key, text_take_alias);
	return true;
}
