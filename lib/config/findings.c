#include "config/findings.h"

#include "config/list.h"
#include "config/source.h"

enum {
	NAME_MOST = 100, /* longer names are not compared */
	DISTANCE_MOST = 4,
};

/* ---- names that are like others ---- */

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Levenshtein's, with two letters swapped as one step. */
static unsigned distance(struct str a, struct str b)
{
	unsigned rows[3][NAME_MOST + 1];
	unsigned *before = rows[0], *last = rows[1], *now = rows[2];

	for (unsigned k = 0; k <= b.len; k++)
		last[k] = k;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *spare = before;

		now[0] = i;
		for (unsigned k = 1; k <= b.len; k++) {
			unsigned cost = a.p[i - 1] != b.p[k - 1];

			now[k] = least(last[k - 1] + cost,
				least(last[k], now[k - 1]) + 1);
			if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] &&
				a.p[i - 2] == b.p[k - 1])
				now[k] = least(now[k], before[k - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b.len];
}

struct str conf_nearest(const struct conf *conf, struct str name)
{
	struct str nearest = STR_NONE;
	unsigned best = DISTANCE_MOST + 1;

	(void)conf;
	if (name.len > NAME_MOST)
		return nearest;
	for (size_t i = 0; i < PARAMS_END; i++) {
		const struct param_row *row = param_row((enum param)i);
		struct str other = str_from(param_name(row));
		unsigned now;

		if (param_is_pattern(row) || other.len > NAME_MOST ||
			other.len + DISTANCE_MOST < name.len ||
			name.len + DISTANCE_MOST < other.len)
			continue;
		now = distance(name, other);
		if (now < best && now <= name.len / 3) {
			best = now;
			nearest = other;
		}
	}
	return nearest;
}

/* ---- names that are used ---- */

static bool is_name(unsigned char c)
{
	return ascii_is_alnum(c) || c == '_';
}

/* $name, ${name, $(name */
static bool refers_to(struct str text, struct str name)
{
	size_t at;

	while ((at = str_find_char(text, '$')) != SIZE_MAX) {
		text = str_skip(text, at + 1);
		if (text.len > 0 && (text.p[0] == '{' || text.p[0] == '('))
			text = str_trim(str_skip(text, 1));
		if (str_eq(str_take_while(&text, is_name), name))
			return true;
	}
	return false;
}

/* <service>_fiber_limit, <transport>_... */
static bool is_of_service(struct str name)
{
	return param_of_transport(name) ||
		str_ends(name, STR("_fiber_limit"));
}

/* The settings of ldap:NAME and so on that may stand in main.cf. */
static const char *const of_tables[] = { "bind", "bind_dn", "bind_pw", "cache",
	"cache_expiry", "cache_size", "chase_referrals", "dbname", "dbpath",
	"debuglevel", "dereference", "domain", "expansion_limit", "hosts",
	"idle_interval", "leaf_result_attribute", "option_file",
	"option_group", "password", "query", "query_filter", "recursion_limit",
	"require_result_set", "result_attribute", "result_filter",
	"result_format", "retry_interval", "scope", "search_base", "sasl_mechs",
	"sasl_realm", "sasl_authz_id", "sasl_minssf", "search_timeout",
	"select_field", "select_function", "server_host", "server_port",
	"size_limit", "special_result_attribute", "start_tls", "table",
	"terminal_result_attribute", "timeout", "tls_CAfile", "tls_ca_cert_dir",
	"tls_ca_cert_file", "tls_cert", "tls_cipher_suite", "tls_ciphers",
	"tls_key", "tls_random_file", "tls_require_cert",
	"tls_verify_cert", "user", "version", "where_field",
	"additional_conditions", "charset", "encoding" };

static bool is_of_tables(struct str setting)
{
	for (size_t i = 0; i < COUNT(of_tables); i++)
		if (str_is(setting, of_tables[i]))
			return true;
	return false;
}

/* A table TYPE:PREFIX in this value, of which `name` is PREFIX_setting. */
static bool names_table(struct str value, struct str name)
{
	static const char *const types[] = { "ldap", "mysql", "pgsql",
		"sqlite", "memcache" };
	struct str item;

	while (str_take_item(&value, ", \t\r\n", &item)) {
		str_take_prefix_nocase(&item, STR("proxy:"));
		for (size_t i = 0; i < COUNT(types); i++) {
			struct str table = item, rest = name;

			if (str_take_prefix_nocase(&table, str_from(types[i])) &&
				str_take_char(&table, ':') &&
				table.len > 0 && str_starts(name, table) &&
				is_of_tables(str_skip(rest, table.len + 1)))
				return true;
		}
	}
	return false;
}

bool conf_is_used(const struct conf *conf, struct str name,
	const struct str *more, size_t count)
{
	struct str classes = conf->smtpd_restriction_classes, item;
	const struct conf_entry *entry = conf->source->first;

	if (is_of_service(name))
		return true;
	while (list_take(&classes, &item))
		if (str_eq(item, name))
			return true;
	for (; entry; entry = entry->next)
		if (refers_to(entry->value, name) ||
			names_table(entry->value, name))
			return true;
	for (size_t i = 0; i < count; i++)
		if (refers_to(more[i], name))
			return true;
	return false;
}

/* ---- findings ---- */

struct looking {
	struct arena *arena;
	const struct conf *conf;
	struct findings *out;
	size_t room;
	struct conf *scratch; /* takes converted values */
	const struct str *more;
	size_t more_count;
};

static void add(struct looking *l, enum finding_kind kind, struct str name,
	struct str text)
{
	struct findings *out = l->out;
	struct str place = config_place(l->arena, l->conf->source, name);

	arena_grow(l->arena, &out->all, &l->room, out->count + 1,
		sizeof(*out->all));
	out->all[out->count++] = (struct finding){
		.kind = kind,
		.is_error = kind == FINDING_VALUE || kind == FINDING_GUARD,
		.name = name,
		.text = arena_join(l->arena, place, text),
	};
}

static void look_at_unknown(struct looking *l, struct str name)
{
	struct str nearest;

	if (conf_is_used(l->conf, name, l->more, l->more_count))
		return;
	nearest = conf_nearest(l->conf, name);
	if (str_is_none(nearest))
		add(l, FINDING_UNKNOWN, name,
			arena_fmt(l->arena, "%.*s: unknown parameter",
				STR_ARG(name)));
	else
		add(l, FINDING_UNKNOWN, name,
			arena_fmt(l->arena, "%.*s: unknown parameter (is %.*s "
				"meant?)",
				STR_ARG(name), STR_ARG(nearest)));
}

/* True: the value is no other than the default. */
static bool is_default(struct looking *l, const struct param_row *row,
	struct str text)
{
	struct str value = conf_expand(l->arena, l->conf,
		config_default(l->conf->source, row));

	return str_eq(value, text);
}

static void look_at_mark(struct looking *l, const struct param_row *row,
	struct str text)
{
	struct str name = str_from(param_name(row));

	if (row->mark == MARK_DONE || row->mark == MARK_NOTHING ||
		(row->type != PARAM_RAW && is_default(l, row, text)))
		return;
	if (row->mark == MARK_GUARD)
		add(l, FINDING_GUARD, name,
			arena_fmt(l->arena, "%.*s is not supported yet and "
				"restricts, filters or encrypts: what it would "
				"apply to is refused",
				STR_ARG(name)));
	else
		add(l, FINDING_LATER, name,
			arena_fmt(l->arena, "%.*s is not supported yet and has "
				"no effect",
				STR_ARG(name)));
}

static void look_at(struct looking *l, const struct param_row *row)
{
	struct config *config = l->conf->source;
	struct str text, wrong, name = str_from(param_name(row));

	if (!config_text(config, row, &text, &wrong)) {
		add(l, FINDING_VALUE, name,
			arena_fmt(l->arena, "%.*s: %.*s", STR_ARG(name),
				STR_ARG(wrong)));
		return;
	}
	if (!config_store(config, l->scratch, row, text, &wrong)) {
		add(l, FINDING_VALUE, name, wrong);
		return;
	}
	look_at_mark(l, row, text);
}

void conf_findings(struct arena *arena, const struct conf *conf,
	const struct str *more, size_t count, struct findings *findings)
{
	struct looking l = { .arena = arena, .conf = conf, .out = findings,
		.more = more, .more_count = count,
		.scratch = arena_new_of(arena, struct conf) };
	struct config *config = conf->source;

	*findings = (struct findings){ 0 };
	for (struct conf_entry *at = config->first; at; at = at->next) {
		const struct param_row *row = config_row(config, at->name);

		if (config_entry(config, at->name) != at)
			continue; /* a later one counts */
		if (!row)
			look_at_unknown(&l, at->name);
		else if (!param_is_pattern(row))
			look_at(&l, row);
	}
}
