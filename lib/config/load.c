#include "config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/expand.h"
#include "config/file.h"
#include "config/main_cf.h"
#include "config/value.h"

enum { OVERRIDES_MOST = 4096 };

/* ---- names and entries ---- */

const struct param_row *config_row(const struct config *config,
	struct str name)
{
	return table_find(config->rows, name);
}

struct conf_entry *config_entry(const struct config *config, struct str name)
{
	return table_find(config->entries, name);
}

static void fill_rows(struct config *config)
{
	union {
		const struct param_row *row;
		void *value;
	} u;

	for (size_t i = 0; i < PARAMS_END; i++) {
		u.row = param_row((enum param)i);
		table_put(config->rows, str_from(param_name(u.row)), u.value);
	}
}

static void put_entry(struct config *config, struct str name, struct str value,
	unsigned line)
{
	struct conf_entry *entry = arena_new_of(config->arena,
		struct conf_entry);

	*entry = (struct conf_entry){ name, value, line, NULL };
	*config->last = entry;
	config->last = &entry->next;
	table_put(config->entries, name, entry);
}

/* ---- main.cf and overrides ---- */

static void read_entry(struct config *config, const struct main_cf_entry *entry)
{
	struct conf_entry *old;

	switch (entry->fault) {
	case MAIN_CF_INDENTED:
		log_warning("%.*s, line %u: logical line must not start with "
			    "whitespace: \"%.*s\"",
			STR_ARG(config->file), entry->line,
			STR_ARG(entry->text));
		return;
	case MAIN_CF_NO_EQUALS:
		log_fatal("%.*s, line %u: missing '=' after attribute name: "
			  "\"%.*s\"",
			STR_ARG(config->file), entry->line,
			STR_ARG(entry->text));
	case MAIN_CF_FINE:
		break;
	}
	old = config_entry(config, entry->name);
	if (old)
		log_warning("%.*s, line %u: overriding earlier entry: "
			    "%.*s=%.*s",
			STR_ARG(config->file), entry->line,
			STR_ARG(old->name), STR_ARG(old->value));
	put_entry(config, entry->name, entry->value, entry->line);
}

static void read_main_cf(struct config *config)
{
	struct main_cf in;
	struct main_cf_entry entry;
	struct str text = config->wanted->text;

	if (str_is_none(text) &&
		!file_read(config->arena, config->file.p, &text))
		log_fatal("open %s: %m", config->file.p);
	in = main_cf_of(text);
	while (main_cf_take(config->arena, &in, &entry))
		read_entry(config, &entry);
}

static void read_override(struct config *config, const char *text)
{
	struct str name, value;

	if (main_cf_parse(str_from(text), &name, &value) != MAIN_CF_FINE)
		log_fatal("-o %s: missing '=' after attribute name", text);
	put_entry(config, name, value, 0);
}

/* ---- values as text ---- */

struct str config_default(struct config *config, const struct param_row *row)
{
	struct str computed = config_computed(config, row);

	return str_is_none(computed) ? str_from(row->value) : computed;
}

/* "myorigin = /etc/mailname": the first line of that file. */
static struct str import_file(struct config *config, struct str value)
{
	struct str text, line = STR("");
	auto_arena struct arena *scratch = arena_new(0);

	if (!file_read(scratch, arena_cstr(scratch, value), &text) ||
		!str_take_line(&text, &line))
		return value;
	return arena_copy(config->arena, str_trim(line));
}

struct str config_raw(struct config *config, struct str name)
{
	struct conf_entry *entry = config_entry(config, name);
	const struct param_row *row = config_row(config, name);

	if (row && param_is_pattern(row) && !entry)
		return str_from(row->value);
	if (entry && row && row->id == myorigin && entry->value.len > 1 &&
		entry->value.p[0] == '/')
		return import_file(config, entry->value);
	if (entry)
		return entry->value;
	if (row)
		return config_default(config, row);
	row = param_of_transport(name);
	return row ? str_from(row->value) : STR_NONE;
}

static struct str find_raw(void *context, struct str name)
{
	return config_raw(context, name);
}

static bool expand(struct config *config, struct arena *arena, struct str raw,
	struct str *text, struct str *error)
{
	struct expand e = { .find = find_raw, .context = config };
	struct buf out = BUF_IN(arena);

	if (str_find_char(raw, '$') == SIZE_MAX) {
		*text = raw;
		return true;
	}
	out.limit = EXPAND_OCTETS_MOST;
	if (!expand_text(arena, &e, &out, raw)) {
		*error = e.error;
		return false;
	}
	*text = str_trim(buf_str(&out));
	return true;
}

bool config_text(struct config *config, const struct param_row *row,
	struct str *text, struct str *error)
{
	struct str raw;

	*text = config->texts[row->id];
	if (!str_is_none(*text))
		return true;
	raw = config_raw(config, str_from(param_name(row)));
	if (row->type == PARAM_RAW)
		*text = raw;
	else if (!expand(config, config->arena, raw, text, error))
		return false;
	config->texts[row->id] = *text;
	return true;
}

/* ---- typed fields ---- */

static char unit_of(struct config *config, const struct param_row *row)
{
	struct str value = str_from(row->value);

	for (int i = 0; i < 8 && row && str_take_char(&value, '$'); i++) {
		row = config_row(config, value);
		value = row ? str_from(row->value) : STR("s");
	}
	return conf_unit_of(value, 's');
}

static bool store_number(const struct param_row *row, struct str text,
	int64_t *field, struct arena *arena, struct str *wrong)
{
	int64_t least, most;

	param_range(row->id, &least, &most);
	if (str_parse_i64(text, least, most, field))
		return true;
	*wrong = arena_fmt(arena,
		"bad numerical configuration: %s = %.*s (write a number from "
		"%lld to %lld)",
		param_name(row), STR_ARG(text), (long long)least,
		(long long)most);
	return false;
}

static bool store_span(const struct param_row *row, char unit, struct str text,
	struct span *field, struct arena *arena, struct str *wrong)
{
	int64_t least, most;
	struct span span;

	param_range(row->id, &least, &most);
	if (conf_span_parse(text, unit, &span) && span_to_s(span) >= least &&
		span_to_s(span) <= most) {
		*field = span;
		return true;
	}
	*wrong = arena_fmt(arena,
		"bad time configuration: %s = %.*s (write a number, at least "
		"%llds, with s, m, h, d or w behind it, like 300s)",
		param_name(row), STR_ARG(text), (long long)least);
	return false;
}

static bool is_word_of(struct str text, const char *words)
{
	struct str rest = str_from(words), word;

	while (str_take_item(&rest, " ", &word))
		if (str_eq_nocase(word, text) ||
			(text.len == 0 && str_is(word, "\"\"")))
			return true;
	return false;
}

/* One of the words; of a list, each. */
static bool are_words_of(const struct param_row *row, struct str text,
	const char *words)
{
	struct str item;

	if (row->type != PARAM_LIST)
		return is_word_of(text, words);
	while (str_take_item(&text, ", \t\r\n", &item))
		if (!is_word_of(item, words))
			return false;
	return true;
}

static bool check_words(const struct param_row *row, struct str text,
	struct arena *arena, struct str *wrong)
{
	const char *words = param_words(row->id);

	if (!words || are_words_of(row, text, words))
		return true;
	*wrong = arena_fmt(arena,
		"bad value: %s = %.*s (write one of: %s)", param_name(row),
		STR_ARG(text), words);
	return false;
}

bool config_store(struct config *config, struct conf *conf,
	const struct param_row *row, struct str text, struct str *wrong)
{
	void *field = (char *)conf + row->offset;

	switch (row->type) {
	case PARAM_ENUM:
	case PARAM_LIST:
		if (!check_words(row, text, config->arena, wrong))
			return false;
		*(struct str *)field = text;
		return true;
	case PARAM_STRING:
	case PARAM_RAW:
	case PARAM_MAPS:
		*(struct str *)field = text;
		return true;
	case PARAM_BOOL:
		if (conf_bool_parse(text, field))
			return true;
		*wrong = arena_fmt(config->arena,
			"bad boolean configuration: %s = %.*s (write yes or "
			"no)",
			param_name(row), STR_ARG(text));
		return false;
	case PARAM_INT:
	case PARAM_SIZE:
		return store_number(row, text, field, config->arena, wrong);
	case PARAM_SPAN:
		return store_span(row, unit_of(config, row), text, field,
			config->arena, wrong);
	}
	return false;
}

struct str config_place(struct arena *arena, const struct config *config,
	struct str name)
{
	const struct conf_entry *entry = config_entry(config, name);

	if (!entry)
		return STR("");
	if (entry->line == 0)
		return STR("-o: ");
	return arena_fmt(arena, "%.*s, line %u: ", STR_ARG(config->file),
		entry->line);
}

/* ---- loading ---- */

static bool is_wanted(const enum param *params, enum param id)
{
	for (; params && *params != PARAMS_END; params++)
		if (*params == id)
			return true;
	return false;
}

/* The default, which is known to be good. */
static void store_default(struct config *config, struct conf *conf,
	const struct param_row *row)
{
	struct str text, error;

	if (!expand(config, config->arena, config_default(config, row), &text,
		    &error) ||
		!config_store(config, conf, row, text, &error))
		*(struct str *)((char *)conf + row->offset) = STR("");
}

static void fill(struct config *config, struct conf *conf,
	const struct param_row *row)
{
	struct str text, wrong, name = str_from(param_name(row));
	struct str place;

	if (param_is_pattern(row))
		return;
	if (config_text(config, row, &text, &wrong)) {
		if (config_store(config, conf, row, text, &wrong))
			return;
	} else {
		wrong = arena_fmt(config->arena, "%s: macro processing error: "
			"%.*s", param_name(row), STR_ARG(wrong));
	}
	if (is_wanted(config->wanted->params, row->id)) {
		place = config_place(config->arena, config, name);
		log_fatal("%.*s%.*s", STR_ARG(place), STR_ARG(wrong));
	}
	store_default(config, conf, row);
}

static void free_tables(void *context)
{
	struct config *config = context;

	table_free(config->rows);
	table_free(config->entries);
}

static struct config *config_new(struct arena *arena,
	const struct conf_wanted *wanted)
{
	struct config *config = arena_new_of(arena, struct config);
	struct conf_wanted *kept = arena_new_of(arena, struct conf_wanted);

	*kept = *wanted;
	config->arena = arena;
	config->wanted = kept;
	config->rows = table_new();
	config->entries = table_new();
	config->last = &config->first;
	arena_on_free(arena, free_tables, config);
	fill_rows(config);
	return config;
}

static const struct conf *conf_fill(struct config *config)
{
	const struct conf_wanted *wanted = config->wanted;
	struct conf *conf = arena_new_of(config->arena, struct conf);

	for (size_t i = 0; i < wanted->override_count; i++)
		read_override(config, wanted->overrides[i]);
	conf->source = config;
	for (size_t i = 0; i < PARAMS_END; i++)
		fill(config, conf, param_row((enum param)i));
	return conf;
}

const char *conf_directory(const char *directory)
{
	if (!directory)
		directory = getenv("MAIL_CONFIG");
	return directory && *directory ? directory : CONFIG_DIRECTORY;
}

const struct conf *conf_load(struct arena *arena,
	const struct conf_wanted *wanted)
{
	struct config *config = config_new(arena, wanted);
	const char *directory = conf_directory(wanted->directory);

	config->file = arena_fmt(arena, "%s/main.cf", directory);
	read_main_cf(config);
	put_entry(config, STR("config_directory"),
		arena_copy(arena, str_from(directory)), 0);
	return conf_fill(config);
}

const struct conf *conf_for_test(struct arena *arena,
	const char *const *overrides)
{
	struct conf_wanted wanted = { .program = "test", .service = "test",
		.overrides = overrides };
	struct config *config;

	while (overrides && overrides[wanted.override_count])
		wanted.override_count++;
	config = config_new(arena, &wanted);
	config->hostname = STR("mail.example.org");
	config->networks = STR("127.0.0.0/8");
	return conf_fill(config);
}

/* ---- for everybody ---- */

struct str conf_raw(const struct conf *conf, struct str name)
{
	return config_raw(conf->source, name);
}

bool conf_is_set(const struct conf *conf, struct str name)
{
	return config_entry(conf->source, name) != NULL;
}

struct str conf_expand(struct arena *arena, const struct conf *conf,
	struct str text)
{
	struct str value, error;

	if (expand(conf->source, arena, text, &value, &error))
		return value;
	log_warning("%.*s", STR_ARG(error));
	return STR_NONE;
}

struct str conf_text(const struct conf *conf, struct str name)
{
	struct config *config = conf->source;
	const struct param_row *row = config_row(config, name);
	struct str text, error;

	if (!row) {
		text = config_raw(config, name);
		return str_is_none(text) ? text :
			conf_expand(config->arena, conf, text);
	}
	if (config_text(config, row, &text, &error))
		return text;
	log_warning("%s: %.*s", param_name(row), STR_ARG(error));
	return STR("");
}

/* ---- parameters of one transport ---- */

static struct str transport_name(const struct conf *conf, struct str service,
	const char *suffix)
{
	return arena_fmt(conf->source->arena, "%.*s_%s", STR_ARG(service),
		suffix);
}

struct str conf_transport_text(const struct conf *conf, struct str service,
	const char *suffix)
{
	return conf_text(conf, transport_name(conf, service, suffix));
}

/* The row of default_...: its field is a good value. */
static const struct param_row *default_row(const struct conf *conf,
	struct str name)
{
	const struct param_row *row = param_of_transport(name);
	struct str value = row ? str_from(row->value) : STR_NONE;

	if (!row || !str_take_char(&value, '$'))
		panic("%.*s: no such parameter of a transport", STR_ARG(name));
	return config_row(conf->source, value);
}

static const void *field_of(const struct conf *conf,
	const struct param_row *row)
{
	return (const char *)conf + row->offset;
}

int64_t conf_transport_int(const struct conf *conf, struct str service,
	const char *suffix)
{
	struct str name = transport_name(conf, service, suffix), wrong;
	const struct param_row *row = default_row(conf, name);
	int64_t value;

	if (store_number(row, conf_text(conf, name), &value,
		    conf->source->arena, &wrong))
		return value;
	log_warning("%.*s: %.*s", STR_ARG(name), STR_ARG(wrong));
	return *(const int64_t *)field_of(conf, row);
}

struct span conf_transport_span(const struct conf *conf, struct str service,
	const char *suffix)
{
	struct str name = transport_name(conf, service, suffix), wrong;
	const struct param_row *row = default_row(conf, name);
	struct span value;

	if (store_span(row, unit_of(conf->source, row), conf_text(conf, name),
		    &value, conf->source->arena, &wrong))
		return value;
	log_warning("%.*s: %.*s", STR_ARG(name), STR_ARG(wrong));
	return *(const struct span *)field_of(conf, row);
}
