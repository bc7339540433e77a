/*
 * postconf --not-honoured: what main.cf and master.cf set and no program does
 * yet. Not of Postfix.
 */
#include "commands/postconf.h"

#include "config/findings.h"
#include "config/params.h"
#include "config/source.h"

static bool is_honoured(const struct param_row *row)
{
	return !row || row->mark == MARK_DONE || row->mark == MARK_NOTHING;
}

/* As -P has it: service/type/name. */
static void show_of_row(struct postconf *p, const struct master_cf_row *row)
{
	for (size_t i = 1; i < row->arg_count; i++) {
		struct str value = row->args[i], name;

		if (!str_is(row->args[i - 1], "-o"))
			continue;
		name = str_trim(str_take_until(&value, '='));
		if (!is_honoured(config_row(p->conf->source, name)))
			show_one(p,
				arena_fmt(p->arena, "%.*s/%.*s/%.*s",
					STR_ARG(row->column[MASTER_CF_SERVICE]),
					STR_ARG(row->column[MASTER_CF_TYPE]),
					STR_ARG(name)),
				str_trim(value));
	}
}

static void show_set(struct postconf *p)
{
	struct findings found;
	struct master_cf cf;

	conf_findings(p->arena, p->conf, NULL, 0, &found);
	for (size_t i = 0; i < found.count; i++)
		if (found.all[i].kind == FINDING_GUARD ||
			found.all[i].kind == FINDING_LATER)
			show_one(p, found.all[i].name,
				conf_raw(p->conf, found.all[i].name));
	read_master(p, &cf);
	for (size_t i = 0; i < cf.count; i++)
		show_of_row(p, &cf.rows[i]);
}

void show_not_honoured(struct postconf *p)
{
	if (!p->defaults) {
		show_set(p);
		return;
	}
	for (size_t i = 0; i < PARAMS_END; i++) {
		const struct param_row *row = param_row((enum param)i);

		if (!is_honoured(row) && !param_is_pattern(row))
			show_one(p, str_from(param_name(row)),
				config_default(p->conf->source, row));
	}
}
