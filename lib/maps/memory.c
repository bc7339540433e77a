/*
 * Tables that are wholly in memory: texthash:, inline:, unix:; and those that
 * have no entries: static:, environ:, fail:.
 */
#include "maps/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "config/list.h"
#include "maps/text.h"

struct memory {
	struct table *table; /* key -> struct str */
};

static void free_memory(void *context)
{
	struct memory *memory = context;

	table_free(memory->table);
}

static struct memory *memory_new(struct arena *arena)
{
	struct memory *memory = arena_new_of(arena, struct memory);

	memory->table = table_new();
	arena_on_free(arena, free_memory, memory);
	return memory;
}

/* False: the key is there already. */
static bool put(struct arena *arena, struct memory *memory, unsigned flags,
	struct str key, struct str value)
{
	struct str *kept = arena_new_of(arena, struct str);

	if (!(flags & MAPS_KEEP_CASE))
		key = arena_lower(arena, key);
	if (table_find(memory->table, key))
		return false;
	*kept = arena_copy(arena, value);
	table_put(memory->table, key, kept);
	return true;
}

static enum maps_result memory_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct memory *memory = map->state;
	const struct str *found = table_find(memory->table, key);

	(void)arena;
	if (!found)
		return MAPS_ABSENT;
	*value = *found;
	return MAPS_FOUND;
}

static bool memory_next(struct map *map, struct arena *arena,
	struct map_walk *walk)
{
	const struct memory *memory = map->state;
	struct table_walk *at = walk->at;

	if (!at)
		walk->at = at = arena_new_of(arena, struct table_walk);
	if (!table_next(memory->table, at))
		return false;
	walk->key = at->key;
	walk->value = *(struct str *)at->value;
	return true;
}

/* ---- texthash: ---- */

static const char *const faults[] = {
	[TEXT_NO_VALUE] = "expected format: key whitespace value",
	[TEXT_UNBALANCED] = "unbalanced '\"'",
	[TEXT_INDENTED] = "logical line must not start with whitespace",
};

static void *texthash_open(struct map_opening *opening)
{
	struct memory *memory;
	struct main_cf in;
	struct text_entry entry;
	struct str text;

	if (!maps_read_file(opening->arena,
		    arena_cstr(opening->arena, opening->name), &text))
		return map_cannot(opening, "open %.*s: %m",
			STR_ARG(opening->name));
	memory = memory_new(opening->arena);
	in = text_open(text);
	while (text_take_table(opening->arena, &in, &entry)) {
		if (entry.fault != TEXT_FINE && entry.fault != TEXT_IS_ALIAS)
			log_warning("%.*s, line %u: %s -- ignoring this line",
				STR_ARG(opening->name), entry.line,
				faults[entry.fault]);
		else if (!put(opening->arena, memory, opening->flags,
				 entry.key, entry.value))
			log_warning("%.*s, line %u: duplicate entry: \"%.*s\"",
				STR_ARG(opening->name), entry.line,
				STR_ARG(entry.key));
	}
	return memory;
}

const struct map_driver map_texthash = {
	.type = "texthash",
	.open = texthash_open,
	.find = memory_find,
	.next = memory_next,
};

/* ---- inline: ---- */

static void *inline_open(struct map_opening *opening)
{
	struct memory *memory = memory_new(opening->arena);
	struct str list = opening->name, item, key, value;

	if (!list_unbrace(&list))
		return map_cannot(opening, "inline:%.*s: expected "
			"inline:{name=value, ...}",
			STR_ARG(opening->name));
	while (list_take(&list, &item)) {
		list_unbrace(&item);
		if (!list_split_pair(item, &key, &value))
			return map_cannot(opening, "inline:%.*s: expected "
				"name=value instead of \"%.*s\"",
				STR_ARG(opening->name), STR_ARG(item));
		if (!put(opening->arena, memory, opening->flags, key, value))
			log_warning("inline:%.*s: duplicate entry: \"%.*s\"",
				STR_ARG(opening->name), STR_ARG(key));
	}
	return memory;
}

const struct map_driver map_inline = {
	.type = "inline",
	.open = inline_open,
	.find = memory_find,
	.next = memory_next,
};

/* ---- unix: the accounts of this host, as they were at the start ---- */

static void put_user(struct map_opening *opening, struct memory *memory,
	const struct passwd *user)
{
	put(opening->arena, memory, MAPS_KEEP_CASE, str_from(user->pw_name),
		arena_fmt(opening->arena, "%s:%s:%lu:%lu:%s:%s:%s",
			user->pw_name, user->pw_passwd,
			(unsigned long)user->pw_uid,
			(unsigned long)user->pw_gid, user->pw_gecos,
			user->pw_dir, user->pw_shell));
}

static void put_group(struct map_opening *opening, struct memory *memory,
	const struct group *group)
{
	struct buf out = BUF_IN(opening->arena);

	buf_fmt(&out, "%s:%s:%lu:", group->gr_name, group->gr_passwd,
		(unsigned long)group->gr_gid);
	for (char **member = group->gr_mem; *member; member++)
		buf_fmt(&out, "%s%s", member == group->gr_mem ? "" : ",",
			*member);
	put(opening->arena, memory, MAPS_KEEP_CASE, str_from(group->gr_name),
		buf_str(&out));
}

static void watch_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		maps_watch_fd(fd);
}

static void *unix_open(struct map_opening *opening)
{
	struct memory *memory = memory_new(opening->arena);
	struct passwd *user;
	struct group *group;

	if (str_is(opening->name, "passwd.byname")) {
		watch_file("/etc/passwd");
		setpwent();
		while ((user = getpwent()) != NULL)
			put_user(opening, memory, user);
		endpwent();
		return memory;
	}
	if (!str_is(opening->name, "group.byname"))
		return map_cannot(opening, "unknown table: unix:%.*s (write "
			"passwd.byname or group.byname)",
			STR_ARG(opening->name));
	watch_file("/etc/group");
	setgrent();
	while ((group = getgrent()) != NULL)
		put_group(opening, memory, group);
	endgrent();
	return memory;
}

const struct map_driver map_unix = {
	.type = "unix",
	.open = unix_open,
	.find = memory_find,
	.next = memory_next,
};

/* ---- static: environ: fail: ---- */

static void *static_open(struct map_opening *opening)
{
	struct str *value = arena_new_of(opening->arena, struct str);

	*value = opening->name;
	list_unbrace(value);
	*value = arena_copy(opening->arena, *value);
	return value;
}

static enum maps_result static_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	(void)arena;
	(void)key;
	*value = *(struct str *)map->state;
	return MAPS_FOUND;
}

const struct map_driver map_static = {
	.type = "static",
	.open = static_open,
	.find = static_find,
	.keeps_case = true,
};

static void *nothing_open(struct map_opening *opening)
{
	return arena_alloc(opening->arena, 1);
}

static enum maps_result environ_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const char *found = getenv(arena_cstr(arena, key));

	(void)map;
	if (!found)
		return MAPS_ABSENT;
	*value = str_from(found);
	return MAPS_FOUND;
}

const struct map_driver map_environ = {
	.type = "environ",
	.open = nothing_open,
	.find = environ_find,
	.keeps_case = true,
};

static enum maps_result fail_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	(void)map;
	(void)arena;
	(void)key;
	(void)value;
	return MAPS_ERROR;
}

const struct map_driver map_fail = {
	.type = "fail",
	.open = nothing_open,
	.find = fail_find,
	.keeps_case = true,
};
