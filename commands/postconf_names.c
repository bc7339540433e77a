/*
 * Names that are set and nobody reads, and names that are read and nobody
 * sets, in main.cf and in the -o settings of master.cf.
 */
#include "commands/postconf.h"

#include "base/log.h"
#include "config/findings.h"
#include "config/main_cf.h"
#include "config/params.h"
#include "config/source.h"

struct setting {
	struct str file, name, value;
	bool is_main;
};

struct names {
	struct postconf *p;
	struct str *services; /* what services of master.cf may have */
	size_t service_count;
	struct setting *all;
	size_t count, room;
	struct str *values; /* of master.cf */
	size_t value_count;
};

static void add(struct names *n, struct setting setting)
{
	arena_grow(n->p->arena, &n->all, &n->room, n->count + 1,
		sizeof(*n->all));
	n->all[n->count++] = setting;
}

static void add_row(struct names *n, const struct master_cf_row *row,
	struct str file)
{
	for (size_t i = 0; i + 1 < row->arg_count; i++) {
		struct setting one = { .file = file };

		if (row->args[i].len == 0 || row->args[i].p[0] != '-')
			return;
		if (str_is(row->args[i], "-o") &&
			main_cf_parse(row->args[++i], &one.name, &one.value) ==
				MAIN_CF_FINE)
			add(n, one);
	}
}

static void read_settings(struct names *n)
{
	struct postconf *p = n->p;
	struct config *config = p->conf->source;
	struct master_cf cf;
	struct str file = arena_fmt(p->arena, "%.*s/master.cf",
		STR_ARG(p->conf->config_directory));

	for (struct conf_entry *at = config->first; at; at = at->next)
		if (at->line > 0 && config_entry(config, at->name) == at)
			add(n, (struct setting){ config->file, at->name,
				at->value, true });
	read_master(p, &cf);
	for (size_t i = 0; i < cf.count; i++)
		add_row(n, &cf.rows[i], file);
	n->values = postconf_row_values(p, &n->value_count);
	postconf_service_names(p, &n->services, &n->service_count);
}

static bool is_of_service(const struct names *n, struct str name)
{
	for (size_t i = 0; i < n->service_count; i++)
		if (str_eq(n->services[i], name))
			return true;
	return str_ends(name, STR("_fiber_limit"));
}

static bool is_known(const struct names *n, struct str name)
{
	return config_row(n->p->conf->source, name) || is_of_service(n, name);
}

static bool is_set(const struct names *n, struct str name)
{
	for (size_t i = 0; i < n->count; i++)
		if (str_eq(n->all[i].name, name))
			return true;
	return config_entry(n->p->conf->source, name) != NULL;
}

static void look_for_use(const struct names *n, const struct setting *one)
{
	if (is_known(n, one->name) ||
		(!param_of_transport(one->name) &&
			conf_is_used(n->p->conf, one->name, n->values,
				n->value_count)))
		return;
	log_warning("%.*s: unused parameter: %.*s=%.*s", STR_ARG(one->file),
		STR_ARG(one->name), STR_ARG(one->value));
}

static bool is_name(unsigned char c)
{
	return ascii_is_alnum(c) || c == '_';
}

/* Each $name, ${name and $(name of the value. */
static void look_for_setting(const struct names *n, const struct setting *one)
{
	const struct param_row *row = config_row(n->p->conf->source,
		one->name);
	struct str text = one->value, name;
	size_t at;

	if (row && row->type == PARAM_RAW)
		return;
	while ((at = str_find_char(text, '$')) != SIZE_MAX) {
		text = str_skip(text, at + 1);
		if (str_take_char(&text, '$'))
			continue;
		if (text.len > 0 && (text.p[0] == '{' || text.p[0] == '('))
			text = str_trim(str_skip(text, 1));
		name = str_take_while(&text, is_name);
		if (name.len > 0 && !is_known(n, name) && !is_set(n, name) &&
			!str_is(name, "domain_to_ascii"))
			log_warning("%.*s: undefined parameter: %.*s",
				STR_ARG(one->file), STR_ARG(name));
	}
}

void warn_of_names(struct postconf *p)
{
	struct names n = { .p = p };

	read_settings(&n);
	for (size_t i = 0; i < n.count; i++)
		look_for_setting(&n, &n.all[i]);
	/* what is asked about master.cf says nothing about main.cf */
	for (size_t i = 0; i < n.count; i++)
		if (!p->master || !n.all[i].is_main)
			look_for_use(&n, &n.all[i]);
}
