#include "commands/postconf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "config/findings.h"
#include "config/params.h"
#include "config/source.h"

enum {
	LINE_MOST = 80,
	NAMES_MOST = 1000000,
};

/* ---- one parameter ---- */

/* Lines of at most 80 columns; continued ones begin with four blanks. */
static void print_folded(struct buf *out, struct str text, size_t column)
{
	struct str word;

	for (bool first = true; str_take_item(&text, " \t", &word);
		first = false) {
		if (!first && column + 1 + word.len > LINE_MOST) {
			buf_text(out, "\n   ");
			column = 3;
		}
		if (!first) {
			buf_char(out, ' ');
			column++;
		}
		buf_add(out, word);
		column += word.len;
	}
}

static void print_json(struct buf *out, struct str name, struct str value)
{
	buf_char(out, '{');
	json_format(out, name);
	buf_text(out, ": ");
	json_format(out, value);
	buf_char(out, '}');
}

void show_one(struct postconf *p, struct str name, struct str value)
{
	auto_buf struct buf out = { 0 };

	if (p->json) {
		print_json(&out, name, value);
	} else {
		if (!p->no_name)
			buf_add(&out, name);
		if (!p->no_name && !p->no_value)
			buf_text(&out, value.len ? " = " : " =");
		if (p->no_value)
			;
		else if (p->fold)
			print_folded(&out, value, out.len);
		else
			buf_add(&out, value);
	}
	buf_char(&out, '\n');
	fwrite(out.p, 1, out.len, stdout);
}

/* The value as the options have it; NONE: not shown (-n and not set). */
static struct str value_of(struct postconf *p, struct str name)
{
	struct config *config = p->conf->source;
	const struct param_row *row = config_row(config, name);
	struct str value;

	if (!row)
		row = param_of_transport(name);
	if (p->only_set && !conf_is_set(p->conf, name))
		return STR_NONE;
	if (p->defaults && row)
		value = config_default(config, row);
	else if (row && row->id == myorigin && conf_is_set(p->conf, name))
		value = config_entry(config, name)->value; /* or its file */
	else
		value = conf_raw(p->conf, name);
	if (p->expand && !str_is_none(value) &&
		!(row && row->type == PARAM_RAW)) {
		value = conf_expand(p->arena, p->conf, value);
		if (str_is_none(value))
			log_fatal("macro processing error");
	}
	return value;
}

/* ---- all of them ---- */

struct names {
	struct str *all;
	size_t count, room;
};

static void add(struct postconf *p, struct names *names, struct str name)
{
	if (names->count >= NAMES_MOST)
		return;
	arena_grow(p->arena, &names->all, &names->room, names->count + 1,
		sizeof(*names->all));
	names->all[names->count++] = name;
}

/* Programs whose rows of master.cf have parameters of their own. */
static bool is_agent(struct str command)
{
	static const char *const agents[] = { "local", "error", "virtual",
		"smtp", "lmtp", "pipe", "spawn" };

	for (size_t i = 0; i < COUNT(agents); i++)
		if (str_is(command, agents[i]))
			return true;
	return false;
}

/* spawn's is the only one that spawn has: qmgr gives it nothing. */
static bool has_parameter(struct str command, enum param id)
{
	if (str_is(command, "spawn"))
		return id == transport_time_limit;
	return id != transport_time_limit || str_is(command, "pipe");
}

static void add_of_service(struct postconf *p, struct names *names,
	const struct master_cf_row *row)
{
	struct str service = row->column[MASTER_CF_SERVICE];
	struct str command = row->column[MASTER_CF_COMMAND];

	for (size_t i = 0; i < PARAMS_END; i++) {
		const struct param_row *param = param_row((enum param)i);
		const struct param_row *known;
		struct str name;

		if (!param_is_pattern(param) ||
			!has_parameter(command, param->id))
			continue;
		name = arena_fmt(p->arena, "%.*s_%s", STR_ARG(service),
			param_name(param) + strlen("transport_"));
		/* of a row "transport" the pattern itself is one */
		known = config_row(p->conf->source, name);
		if (!known || param_is_pattern(known))
			add(p, names, name);
	}
}

static void add_services(struct postconf *p, struct names *names)
{
	struct master_cf cf;

	read_master(p, &cf);
	for (size_t i = 0; i < cf.count; i++)
		if (cf.rows[i].type != MASTER_CF_INET &&
			is_agent(cf.rows[i].column[MASTER_CF_COMMAND]))
			add_of_service(p, names, &cf.rows[i]);
}

void postconf_service_names(struct postconf *p, struct str **names,
	size_t *count)
{
	struct names all = { 0 };

	add_services(p, &all);
	*names = all.all;
	*count = all.count;
}

struct str *postconf_row_values(struct postconf *p, size_t *count)
{
	struct str *values = NULL;
	struct master_cf cf;
	size_t room = 0;

	*count = 0;
	read_master(p, &cf);
	for (size_t i = 0; i < cf.count; i++)
		for (size_t k = 1; k < cf.rows[i].arg_count; k++) {
			if (!str_is(cf.rows[i].args[k - 1], "-o"))
				continue;
			arena_grow(p->arena, &values, &room, *count + 1,
				sizeof(*values));
			values[(*count)++] = cf.rows[i].args[k];
		}
	return values;
}

static void add_users(struct postconf *p, struct names *names)
{
	size_t count;
	struct str *values = postconf_row_values(p, &count);
	struct conf_entry *at = p->conf->source->first;

	for (; at; at = at->next)
		if (!config_row(p->conf->source, at->name) &&
			!param_of_transport(at->name) &&
			conf_is_used(p->conf, at->name, values, count))
			add(p, names, at->name);
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* config_directory is always "set", but said only when it was given. */
static bool is_hidden(struct postconf *p, struct str name)
{
	return p->only_set && !p->directory && str_is(name,
		"config_directory");
}

static void show_all(struct postconf *p)
{
	struct names names = { 0 };

	for (size_t i = 0; !p->no_builtin && i < PARAMS_END; i++)
		if (!param_is_pattern(param_row((enum param)i)))
			add(p, &names,
				str_from(param_name(param_row((enum param)i))));
	if (!p->no_service)
		add_services(p, &names);
	if (!p->no_user && !p->defaults)
		add_users(p, &names);
	if (names.count)
		qsort(names.all, names.count, sizeof(*names.all), by_name);
	for (size_t i = 0; i < names.count; i++) {
		struct str value = value_of(p, names.all[i]);

		if (i > 0 && str_eq(names.all[i], names.all[i - 1]))
			continue;
		if (!str_is_none(value) && !is_hidden(p, names.all[i]))
			show_one(p, names.all[i], value);
	}
}

/* "x_recipient_limit", and no row of master.cf has this name. */
static bool is_of_no_service(struct postconf *p, struct str name)
{
	const struct param_row *row = config_row(p->conf->source, name);
	size_t count;
	struct str *services;

	if ((row && !param_is_pattern(row)) ||
		(!row && !param_of_transport(name)) ||
		conf_is_set(p->conf, name))
		return false;
	postconf_service_names(p, &services, &count);
	for (size_t i = 0; i < count; i++)
		if (str_eq(services[i], name))
			return false;
	return true;
}

/* No parameter, and nothing that is set uses what main.cf says under the name. */
static bool is_unknown(struct postconf *p, struct str name)
{
	size_t count;
	struct str *values = postconf_row_values(p, &count);

	if (config_row(p->conf->source, name) || param_of_transport(name))
		return is_of_no_service(p, name);
	return !conf_is_set(p->conf, name) ||
		!conf_is_used(p->conf, name, values, count);
}

void show_parameters(struct postconf *p, char **names)
{
	if (!*names) {
		show_all(p);
		return;
	}
	for (char **at = names; *at; at++) {
		struct str name = str_from(*at);
		struct str value = is_unknown(p, name) ? STR_NONE :
							 value_of(p, name);

		if (!str_is_none(value))
			show_one(p, name, value);
	}
	fflush(stdout);
	for (char **at = names; *at; at++)
		if (is_unknown(p, str_from(*at)))
			log_warning("%s: unknown parameter", *at);
}
