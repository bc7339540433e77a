#include "maps/survey.h"

#include <errno.h>

#include "base/log.h"
#include "config/file.h"
#include "config/list.h"
#include "config/main_cf.h"
#include "config/source.h"
#include "maps/settings.h"
#include "maps/wire.h"

struct survey {
	const struct conf *conf;
	const char *types; /* NULL: those on servers */
	void (*found)(void *context, struct str table);
	void *context;
};

/* "proxy:", "debug:", "!" in front of a table. */
static void skip_wrappers(struct str *word)
{
	while (str_take_prefix(word, STR("proxy:")) ||
		str_take_prefix(word, STR("debug:")) ||
		str_take_char(word, '!'))
		;
}

static void survey_text(const struct survey *survey, struct str text,
	unsigned depth);

static bool is_looked_for(const struct survey *survey,
	const struct map_driver *driver)
{
	if (survey->types)
		return list_has_word(str_from(survey->types), driver->type);
	return driver->needs;
}

/* The table behind a memcache: one may be on a server too. */
static void survey_backup(const struct survey *survey, struct str name,
	unsigned depth)
{
	auto_arena struct arena *arena = arena_new(0);
	struct map_opening opening = { .arena = arena, .conf = survey->conf,
		.type = STR("memcache"), .name = name };
	struct settings *settings = settings_open(&opening);
	struct str backup = STR_NONE;

	if (settings)
		backup = settings_text(settings, "backup");
	if (!str_is_none(backup))
		survey_text(survey, backup, depth + 1);
}

static void survey_text(const struct survey *survey, struct str text,
	unsigned depth)
{
	struct str word;

	while (str_take_item(&text, " \t\r\n,{}()\"=", &word)) {
		const struct map_driver *driver;
		struct str type, name;

		skip_wrappers(&word);
		if (!list_split_table(word, &type, &name))
			continue;
		driver = map_driver_find(type);
		if (!driver || !is_looked_for(survey, driver))
			continue;
		survey->found(survey->context, word);
		if (driver == &map_memcache && depth < MAP_DEPTH_MOST)
			survey_backup(survey, name, depth);
	}
}

static void survey_master(struct arena *arena, const struct survey *survey)
{
	struct str path = arena_join(arena, survey->conf->config_directory,
		STR("/master.cf"));
	struct main_cf in;
	struct str text, line;
	unsigned number;

	if (!file_read(arena, path.p, &text))
		return;
	in = main_cf_of(text);
	while (main_cf_take_line(arena, &in, &line, &number)) {
		/* else nothing to be expanded */
		if (str_find_char(line, ':') == SIZE_MAX ||
			str_find(line, STR("-o")) == SIZE_MAX)
			continue;
		if (str_find_char(line, '$') != SIZE_MAX)
			line = conf_expand(arena, survey->conf, line);
		survey_text(survey, line, 0);
	}
}

static void survey_all(const struct survey *survey)
{
	const struct conf *conf = survey->conf;
	auto_arena struct arena *arena = arena_new(0);

	for (enum param id = 0; id < PARAMS_END; id++) {
		const struct param_row *row = param_row(id);
		struct str name = str_from(param_name(row));

		if (!param_is_pattern(row))
			survey_text(survey, conf_text(conf, name), 0);
	}
	for (const struct conf_entry *entry = conf->source->first; entry;
		entry = entry->next)
		if (!config_row(conf->source, entry->name))
			survey_text(survey, conf_text(conf, entry->name), 0);
	survey_master(arena, survey);
}

void maps_survey(const struct conf *conf,
	void (*found)(void *context, struct str table), void *context)
{
	survey_all(&(struct survey){ conf, NULL, found, context });
}

void maps_survey_types(const struct conf *conf, const char *types,
	void (*found)(void *context, struct str table), void *context)
{
	survey_all(&(struct survey){ conf, types, found, context });
}

/* memcache:/file says where. */
static struct str memcache_endpoint(struct arena *arena,
	const struct conf *conf, struct str name)
{
	struct map_opening opening = { .arena = arena, .conf = conf,
		.type = STR("memcache"), .name = name };
	struct settings *settings = settings_open(&opening);
	struct wire_place place;

	if (!settings ||
		!wire_memcache_place(arena,
			settings_text_or(settings, "memcache",
				"inet:localhost:11211"),
			&place))
		return STR_NONE;
	return place.endpoint;
}

struct str maps_endpoint(struct arena *arena, const struct conf *conf,
	struct str table)
{
	struct str type, name;
	struct wire_place place;

	if (!list_split_table(table, &type, &name))
		return STR_NONE;
	if (str_is(type, "memcache"))
		return memcache_endpoint(arena, conf, name);
	if (str_is(type, "tcp") && wire_tcp_place(arena, name, &place))
		return place.endpoint;
	if (str_is(type, "socketmap") &&
		wire_socketmap_place(arena, name, &place))
		return place.endpoint;
	return STR_NONE;
}

bool maps_take_proxied(struct str *list, struct str *table)
{
	while (list_take(list, table)) {
		while (str_take_char(table, '!'))
			;
		if (str_take_prefix(table, STR("proxy:")))
			return true;
	}
	return false;
}
