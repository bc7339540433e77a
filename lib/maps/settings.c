#include "maps/settings.h"

#include <errno.h>

#include "base/log.h"
#include "config/main_cf.h"

struct settings {
	struct arena *arena;
	const struct conf *conf;
	struct str place;
	struct table *rows; /* name -> struct str; NULL: main.cf */
};

static void free_rows(void *context)
{
	struct settings *settings = context;

	table_free(settings->rows);
}

static void put(struct settings *settings, const struct main_cf_entry *entry)
{
	struct str *value = arena_new_of(settings->arena, struct str);

	if (entry->fault != MAIN_CF_FINE) {
		log_warning("%.*s, line %u: expected \"name = value\" -- "
			    "ignoring this line",
			STR_ARG(settings->place), entry->line);
		return;
	}
	*value = arena_copy(settings->arena, entry->value);
	table_put(settings->rows, entry->name, value);
}

static bool read_rows(struct settings *settings)
{
	struct main_cf_entry entry;
	struct main_cf in;
	struct str text;

	if (!maps_read_file(settings->arena,
		    arena_cstr(settings->arena, settings->place), &text))
		return false;
	settings->rows = table_new();
	arena_on_free(settings->arena, free_rows, settings);
	in = main_cf_of(text);
	while (main_cf_take(settings->arena, &in, &entry))
		put(settings, &entry);
	return true;
}

struct settings *settings_open(struct map_opening *opening)
{
	struct settings *settings =
		arena_new_of(opening->arena, struct settings);

	settings->arena = opening->arena;
	settings->conf = opening->conf;
	settings->place = arena_copy(opening->arena, opening->name);
	if (opening->name.p[0] != '/' && opening->name.p[0] != '.')
		return settings;
	if (!read_rows(settings))
		return map_cannot(opening, "open %.*s: %m",
			STR_ARG(settings->place));
	return settings;
}

struct str settings_text(const struct settings *settings, const char *name)
{
	const struct str *row;

	if (!settings->rows)
		return arena_copy(settings->arena,
			conf_text(settings->conf,
				arena_fmt(settings->arena, "%.*s_%s",
					STR_ARG(settings->place), name)));
	row = table_find(settings->rows, str_from(name));
	return row ? *row : STR_NONE;
}

struct str settings_text_or(const struct settings *settings, const char *name,
	const char *otherwise)
{
	struct str text = settings_text(settings, name);

	return str_is_none(text) ? str_from(otherwise) : text;
}

const char *settings_cstr(const struct settings *settings, const char *name)
{
	struct str text = settings_text(settings, name);

	return str_is_none(text) ? NULL : text.p;
}

static void complain(const struct settings *settings, const char *name,
	struct str text)
{
	log_warning("%.*s: bad value for %s: \"%.*s\"",
		STR_ARG(settings->place), name, STR_ARG(text));
}

int64_t settings_int(const struct settings *settings, const char *name,
	int64_t least, int64_t most, int64_t otherwise)
{
	struct str text = settings_text(settings, name);
	int64_t value;

	if (str_is_none(text) || text.len == 0)
		return otherwise;
	if (str_parse_i64(text, least, most, &value))
		return value;
	complain(settings, name, text);
	return otherwise;
}

bool settings_bool(const struct settings *settings, const char *name,
	bool otherwise)
{
	struct str text = settings_text(settings, name);

	if (str_is_none(text) || text.len == 0)
		return otherwise;
	if (str_is_nocase(text, "yes"))
		return true;
	if (!str_is_nocase(text, "no"))
		complain(settings, name, text);
	return str_is_nocase(text, "no") ? false : otherwise;
}

struct span settings_span(const struct settings *settings, const char *name,
	int64_t otherwise_s)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		{ 'w', 604800 } };
	struct str text = settings_text(settings, name), rest = text;
	uint64_t number;

	if (str_is_none(text) || text.len == 0)
		return span_s(otherwise_s);
	if (str_take_u64(&rest, INT32_MAX, &number)) {
		if (rest.len == 0)
			return span_s((int64_t)number);
		for (size_t i = 0; i < COUNT(units); i++)
			if (rest.len == 1 && rest.p[0] == units[i].letter)
				return span_s((int64_t)number *
					units[i].seconds);
	}
	complain(settings, name, text);
	return span_s(otherwise_s);
}

struct str settings_place(const struct settings *settings)
{
	return settings->place;
}
