/*
 * Tables made of tables: unionmap:, pipemap:, randmap:, debug:.
 */
#include "maps/driver.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/random.h"
#include "config/list.h"

enum { PARTS_MOST = 64 };

struct compound {
	size_t count;
	struct map *parts[PARTS_MOST];
	struct str texts[PARTS_MOST]; /* of randmap */
};

static bool take_parts(struct map_opening *opening, struct str list,
	struct compound *compound)
{
	struct str item;

	while (list_take(&list, &item)) {
		if (compound->count == PARTS_MOST)
			return false;
		compound->parts[compound->count] = map_open_or(opening->arena,
			opening->conf, item, opening->flags,
			opening->depth + 1, &opening->error);
		if (!compound->parts[compound->count])
			return false;
		opening->is_pattern |=
			compound->parts[compound->count++]->is_pattern;
	}
	return compound->count > 0;
}

static void *parts_open(struct map_opening *opening)
{
	struct compound *compound = arena_new_of(opening->arena,
		struct compound);
	struct str list = opening->name;

	if (list_unbrace(&list) && take_parts(opening, list, compound))
		return compound;
	if (!str_is_none(opening->error))
		return NULL;
	return map_cannot(opening, "bad syntax: \"%.*s:%.*s\"; need "
		"\"%.*s:{type:name...}\"",
		STR_ARG(opening->type), STR_ARG(opening->name),
		STR_ARG(opening->type));
}

static enum maps_result union_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct compound *compound = map->state;
	struct buf out = BUF_IN(arena);
	struct str one;

	for (size_t i = 0; i < compound->count; i++) {
		enum maps_result result = map_find(compound->parts[i], arena,
			key, &one);

		if (result == MAPS_ERROR)
			return result;
		if (result == MAPS_ABSENT)
			continue;
		if (out.len > 0)
			buf_char(&out, ',');
		buf_add(&out, one);
	}
	*value = buf_str(&out);
	return out.len > 0 ? MAPS_FOUND : MAPS_ABSENT;
}

static enum maps_result pipe_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct compound *compound = map->state;
	enum maps_result result = MAPS_ABSENT;

	for (size_t i = 0; i < compound->count; i++) {
		result = map_find(compound->parts[i], arena, key, &key);
		if (result != MAPS_FOUND)
			return result;
	}
	*value = key;
	return result;
}

static void *rand_open(struct map_opening *opening)
{
	struct compound *compound = arena_new_of(opening->arena,
		struct compound);
	struct str list = opening->name, item;

	if (!list_unbrace(&list))
		list = STR_NONE;
	while (compound->count < PARTS_MOST && list_take(&list, &item)) {
		list_unbrace(&item);
		compound->texts[compound->count++] =
			arena_copy(opening->arena, item);
	}
	if (compound->count > 0 && list.len == 0)
		return compound;
	return map_cannot(opening, "bad syntax: \"randmap:%.*s\"; need "
		"\"randmap:{value...}\"",
		STR_ARG(opening->name));
}

static enum maps_result rand_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	const struct compound *compound = map->state;

	(void)arena;
	(void)key;
	*value = compound->texts[random_below(compound->count)];
	return MAPS_FOUND;
}

static void *debug_open(struct map_opening *opening)
{
	struct map *map = map_open_or(opening->arena, opening->conf,
		opening->name, opening->flags, opening->depth + 1,
		&opening->error);

	if (map)
		opening->is_pattern = map->is_pattern;
	return map;
}

static enum maps_result debug_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	enum maps_result result = map_find(map->state, arena, key, value);

	log_info("%.*s lookup: \"%.*s\" = \"%.*s\"",
		STR_ARG(((struct map *)map->state)->label),
		STR_ARG(key),
		STR_ARG(result == MAPS_FOUND  ? *value :
			result == MAPS_ABSENT ? STR("not found") :
						STR("error")));
	return result;
}

const struct map_driver map_union = {
	.type = "unionmap",
	.open = parts_open,
	.find = union_find,
	.keeps_case = true, /* its parts fold by themselves */
};

const struct map_driver map_pipe = {
	.type = "pipemap",
	.open = parts_open,
	.find = pipe_find,
	.keeps_case = true,
};

const struct map_driver map_rand = {
	.type = "randmap",
	.open = rand_open,
	.find = rand_find,
	.keeps_case = true,
};

const struct map_driver map_debug = {
	.type = "debug",
	.open = debug_open,
	.find = debug_find,
	.keeps_case = true,
};
