#include "commands/postconf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/file.h"
#include "config/findings.h"
#include "config/main_cf.h"
#include "config/params.h"
#include "config/source.h"

enum { LINE_MOST = 80 };

static const char *const fields[MASTER_CF_COLUMNS] = { "service", "type",
	"private", "unprivileged", "chroot", "wakeup", "process_limit",
	"command" };

void read_master(struct postconf *p, struct master_cf *cf)
{
	const char *path = arena_fmt(p->arena, "%.*s/master.cf",
		STR_ARG(p->conf->config_directory))
				   .p;
	struct str text;

	if (!file_read(p->arena, path, &text)) {
		*cf = (struct master_cf){ 0 };
		if (p->master)
			log_fatal("open %s: %m", path);
		return;
	}
	master_cf_parse(p->arena, text, cf);
	for (size_t i = 0; p->master && i < cf->finding_count; i++)
		if (cf->findings[i].is_error)
			log_fatal("%s, line %u: %.*s", path,
				cf->findings[i].line,
				STR_ARG(cf->findings[i].text));
}

/* ---- a row as text ---- */

static bool has_blank(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (ascii_is_blank((unsigned char)s.p[i]))
			return true;
	return s.len == 0;
}

static struct str arg_text(struct postconf *p, struct str arg)
{
	return has_blank(arg) ? arena_fmt(p->arena, "{%.*s}", STR_ARG(arg))
			      : arg;
}

struct setting {
	struct str name, value;
};

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct setting *)a)->name,
		((const struct setting *)b)->name);
}

/* The -o settings of a row, by name; of doubles the last. */
static struct setting *settings_of(struct postconf *p,
	const struct master_cf_row *row, size_t *count)
{
	struct setting *all = arena_array(p->arena, row->arg_count + 1,
		sizeof(*all));

	*count = 0;
	for (size_t i = 0; i + 1 < row->arg_count; i++) {
		struct setting one;
		size_t at = 0;

		if (!str_is(row->args[i], "-o") ||
			main_cf_parse(row->args[i + 1], &one.name,
				&one.value) != MAIN_CF_FINE)
			continue;
		while (at < *count && !str_eq(all[at].name, one.name))
			at++;
		*count += at == *count;
		all[at] = one;
	}
	if (*count)
		qsort(all, *count, sizeof(*all), by_name);
	return all;
}

/* The text with the parameters' values as a process of this row has them. */
static struct str expand_in(struct postconf *p,
	const struct master_cf_row *row, struct str text)
{
	struct config *config = p->conf->source;
	const struct conf_wanted *wanted = config->wanted;
	struct conf_wanted here = *wanted;
	size_t count;
	struct setting *own = settings_of(p, row, &count);
	struct conf_entry *entries = arena_array(p->arena, count + 1,
		sizeof(*entries));
	void **old = arena_array(p->arena, count + 1, sizeof(*old));
	struct str value;

	here.service = arena_cstr(p->arena, row->column[MASTER_CF_SERVICE]);
	config->wanted = &here;
	for (size_t i = 0; i < count; i++) {
		entries[i].name = own[i].name;
		entries[i].value = own[i].value;
		old[i] = table_put(config->entries, own[i].name, &entries[i]);
	}
	value = conf_expand(p->arena, p->conf, text);
	for (size_t i = 0; i < count; i++)
		if (old[i])
			table_put(config->entries, own[i].name, old[i]);
		else
			table_remove(config->entries, own[i].name);
	config->wanted = wanted;
	return str_is_none(value) ? text : value;
}

/* The argument behind -o. */
static struct str setting_text(struct postconf *p,
	const struct master_cf_row *row, size_t at)
{
	struct str arg = row->args[at];

	return arg_text(p, p->expand ? expand_in(p, row, arg) : arg);
}

static struct str command_text(struct postconf *p,
	const struct master_cf_row *row)
{
	struct buf out = BUF_IN(p->arena);
	bool is_option = true;

	buf_add(&out, row->column[MASTER_CF_COMMAND]);
	for (size_t i = 0; i < row->arg_count; i++) {
		struct str word = arg_text(p, row->args[i]);

		is_option = is_option && word.p[0] == '-';
		buf_char(&out, ' ');
		buf_add(&out, word);
		if (is_option && str_is(word, "-o") &&
			i + 1 < row->arg_count) {
			buf_char(&out, ' ');
			buf_add(&out, setting_text(p, row, ++i));
		}
	}
	return buf_str(&out);
}

static void put_columns(struct buf *out, const struct master_cf_row *row)
{
	static const size_t columns[MASTER_CF_COLUMNS] = { 0, 11, 17, 25, 33,
		41, 49, 57 };
	size_t start = out->len;

	for (size_t i = 0; i < MASTER_CF_COMMAND; i++) {
		size_t next = columns[i + 1];

		buf_add(out, row->column[i]);
		do
			buf_char(out, ' ');
		while (out->len - start < next);
	}
}

/* Options each on a line of their own, other words as they fit. */
static void put_folded(struct postconf *p, struct buf *out,
	const struct master_cf_row *row)
{
	size_t start = out->len;
	bool is_option = true, was_setting = false;

	put_columns(out, row);
	buf_add(out, row->column[MASTER_CF_COMMAND]);
	for (size_t i = 0; i < row->arg_count; i++) {
		struct str word = arg_text(p, row->args[i]);

		bool is_setting;

		is_option = is_option && word.p[0] == '-';
		is_setting = is_option && str_is(word, "-o") &&
			i + 1 < row->arg_count;
		if (is_setting)
			word = arena_join(p->arena, STR("-o "),
				setting_text(p, row, ++i));
		if (is_setting || was_setting ||
			out->len - start + 1 + word.len >= LINE_MOST) {
			buf_text(out, "\n    ");
			start = out->len - 4;
		} else {
			buf_char(out, ' ');
		}
		buf_add(out, word);
		was_setting = is_setting;
	}
}

static void put_row(struct postconf *p, struct buf *out,
	const struct master_cf_row *row, bool fold)
{
	if (fold) {
		put_folded(p, out, row);
		return;
	}
	put_columns(out, row);
	buf_add(out, command_text(p, row));
}

/* ---- patterns: service/type/name, "*", parts at the end left out ---- */

struct pattern {
	struct str part[3]; /* NONE: any */
};

static struct pattern pattern_of(const struct postconf *p, const char *text)
{
	static const char *const more[] = { "M", "", "F", "[/field]", "P",
		"[/parameter]" };
	struct str rest = str_from(text), item;
	struct pattern pattern = { 0 };
	size_t count = 0;

	/* a service may be a path or host:port, but has no "/" here */
	while (count < 3 && str_take_item(&rest, "/", &item))
		pattern.part[count++] = str_is(item, "*") ? STR_NONE : item;
	for (size_t i = 0; i < COUNT(more); i += 2)
		if (p->master == more[i][0] && (text[0] == '/' || count == 0 ||
			rest.len > 0 || (count == 3 && p->master == 'M')))
			log_fatal("-%c option requires service_name[/type%s]",
				p->master, more[i + 1]);
	return pattern;
}

static bool is_part(struct str pattern, struct str text)
{
	return str_is_none(pattern) || str_eq(pattern, text);
}

static bool is_row(const struct pattern *pattern,
	const struct master_cf_row *row)
{
	return is_part(pattern->part[0], row->column[MASTER_CF_SERVICE]) &&
		is_part(pattern->part[1], row->column[MASTER_CF_TYPE]);
}

static struct str row_name(struct postconf *p, const struct master_cf_row *row,
	const char *more)
{
	return arena_fmt(p->arena, "%.*s/%.*s%s%s",
		STR_ARG(row->column[MASTER_CF_SERVICE]),
		STR_ARG(row->column[MASTER_CF_TYPE]), more ? "/" : "",
		more ? more : "");
}

/* ---- showing ---- */

static size_t show_row(struct postconf *p, const struct master_cf_row *row)
{
	struct buf out = BUF_IN(p->arena);

	put_row(p, &out, row, p->fold && !p->json);
	if (p->json)
		show_one(p, row_name(p, row, NULL), buf_str(&out));
	else
		printf("%.*s\n", STR_ARG(buf_str(&out)));
	return 1;
}

static size_t show_fields(struct postconf *p, const struct master_cf_row *row,
	struct str wanted)
{
	size_t shown = 0;

	for (size_t i = 0; i < COUNT(fields); i++) {
		if (!is_part(wanted, str_from(fields[i])))
			continue;
		show_one(p, row_name(p, row, fields[i]),
			i == MASTER_CF_COMMAND ? command_text(p, row)
					       : row->column[i]);
		shown++;
	}
	return shown;
}

static size_t show_settings(struct postconf *p,
	const struct master_cf_row *row, struct str wanted)
{
	size_t count, shown = 0;
	struct setting *all = settings_of(p, row, &count);

	for (size_t i = 0; i < count; i++) {
		struct str value = all[i].value;

		if (!is_part(wanted, all[i].name))
			continue;
		if (p->expand)
			value = expand_in(p, row, value);
		show_one(p, row_name(p, row,
				    arena_cstr(p->arena, all[i].name)),
			value);
		shown++;
	}
	return shown;
}

static bool is_set_in(const struct setting *all, size_t count,
	struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(all[i].name, name))
			return true;
	return false;
}

/* -PP: main.cf's values too, where the row does not say otherwise. */
static size_t show_other(struct postconf *p, const struct master_cf_row *row,
	struct str wanted)
{
	size_t count, shown = 0;
	struct setting *all = settings_of(p, row, &count);

	for (size_t i = 0; i < PARAMS_END; i++) {
		const struct param_row *param = param_row((enum param)i);
		struct str name = str_from(param_name(param)), value;

		if (param_is_pattern(param) || !is_part(wanted, name) ||
			is_set_in(all, count, name))
			continue;
		value = p->expand ? conf_text(p->conf, name)
				  : conf_raw(p->conf, name);
		show_one(p, row_name(p, row, param_name(param)), value);
		shown++;
	}
	return shown;
}

static size_t show_matching(struct postconf *p,
	const struct master_cf_row *row, const struct pattern *pattern)
{
	size_t shown = 0;

	if (!is_row(pattern, row))
		return 0;
	if (p->master == 'M')
		shown += show_row(p, row);
	else if (p->master == 'F')
		shown += show_fields(p, row, pattern->part[2]);
	else
		shown += show_settings(p, row, pattern->part[2]);
	if (p->all_params)
		shown += show_other(p, row, pattern->part[2]);
	return shown;
}

static void check_field(struct str name)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (is_part(name, str_from(fields[i])))
			return;
	log_fatal("invalid service attribute name: \"%.*s\"", STR_ARG(name));
}

void show_master(struct postconf *p, char **patterns)
{
	static char any[] = "*";
	char *all[] = { any, NULL };
	char **asked = *patterns ? patterns : all;
	struct pattern *parsed;
	struct master_cf cf;
	size_t count = 0, *shown;

	while (asked[count])
		count++;
	parsed = arena_array(p->arena, count, sizeof(*parsed));
	shown = arena_array(p->arena, count, sizeof(*shown));
	for (size_t i = 0; i < count; i++) {
		parsed[i] = pattern_of(p, asked[i]);
		if (p->master == 'F')
			check_field(parsed[i].part[2]);
	}
	read_master(p, &cf);
	/* in the order of the file, not of the command line */
	for (size_t k = 0; k < cf.count; k++)
		for (size_t i = 0; i < count; i++)
			shown[i] += show_matching(p, &cf.rows[k], &parsed[i]);
	fflush(stdout);
	for (size_t i = 0; *patterns && i < count; i++)
		if (shown[i] == 0)
			log_warning("unmatched request: \"%s\"", asked[i]);
}

/* ---- editing ---- */

struct edit {
	struct pattern pattern;
	struct str value;
	size_t field; /* of -F */
	bool done;
};

static size_t field_of(struct str name)
{
	size_t at = 0;

	if (str_is_none(name))
		log_fatal("-Fe or -FX requires service_name/type/field_name");
	while (at < COUNT(fields) && !str_is(name, fields[at]))
		at++;
	if (at == COUNT(fields))
		log_fatal("invalid service attribute name: \"%.*s\"",
			STR_ARG(name));
	return at;
}

static struct edit edit_of(struct postconf *p, const char *argument)
{
	struct edit edit = { 0 };
	const char *equals = strchr(argument, '=');
	struct str name = str_from(argument);

	if (strchr(argument, '\n'))
		log_fatal("-e, -X or -# accepts no multi-line input");
	if (p->edit == EDIT_SET) {
		if (!equals)
			log_fatal("missing '=' after attribute name: \"%s\"",
				argument);
		name = str_trim(str_first(name, (size_t)(equals - argument)));
		edit.value = str_trim(str_from(equals + 1));
	}
	edit.pattern = pattern_of(p, arena_cstr(p->arena, name));
	if (p->master == 'F')
		edit.field = field_of(edit.pattern.part[2]);
	if (p->master == 'P' && str_is_none(edit.pattern.part[2]))
		log_fatal("-Pe or -PX requires service_name/type/parameter");
	if (p->edit == EDIT_COMMENT && p->master != 'M')
		log_fatal("with option -%c, do not specify -#", p->master);
	if (p->edit == EDIT_REMOVE && p->master == 'F')
		log_fatal("with option -F, do not specify -X");
	return edit;
}

/* The row that a line of master.cf would be; ends the process if it is bad. */
static struct master_cf_row parse_row(struct postconf *p, struct str text)
{
	struct master_cf cf;

	master_cf_parse(p->arena, text, &cf);
	if (cf.count != 1)
		log_fatal("%.*s: %.*s", STR_ARG(text),
			STR_ARG(cf.finding_count ? cf.findings[0].text :
						   STR("not a row of master.cf")));
	return cf.rows[0];
}

static struct str row_text(struct postconf *p, const struct master_cf_row *row)
{
	struct buf out = BUF_IN(p->arena);

	put_row(p, &out, row, true);
	return buf_str(&out);
}

static void set_field(struct postconf *p, struct master_cf_row *row,
	const struct edit *edit)
{
	struct buf out = BUF_IN(p->arena);

	row->column[edit->field] = edit->value;
	if (edit->field == MASTER_CF_COMMAND)
		row->arg_count = 0;
	put_row(p, &out, row, false);
	*row = parse_row(p, buf_str(&out));
}

/* Take every "-o name=..." out of the arguments. */
static void remove_setting(struct master_cf_row *row, struct str name)
{
	size_t kept = 0;

	for (size_t i = 0; i < row->arg_count; i++) {
		struct str found, value;

		if (str_is(row->args[i], "-o") && i + 1 < row->arg_count &&
			main_cf_parse(row->args[i + 1], &found, &value) ==
				MAIN_CF_FINE &&
			str_eq(found, name)) {
			i++;
			continue;
		}
		row->args[kept++] = row->args[i];
	}
	row->arg_count = kept;
}

/* Behind the last -o; options stand before other arguments. */
static void add_setting(struct postconf *p, struct master_cf_row *row,
	struct str name, struct str value)
{
	struct str *args = arena_array(p->arena, row->arg_count + 2,
		sizeof(*args));
	size_t at = 0;

	for (size_t i = 0; i < row->arg_count; i++)
		if (str_is(row->args[i], "-o"))
			at = i + 2;
		else if (at == i && row->args[i].len > 1 &&
			row->args[i].p[0] == '-')
			at = i + 1;
	memcpy(args, row->args, at * sizeof(*args));
	args[at] = STR("-o");
	args[at + 1] = arena_fmt(p->arena, "%.*s=%.*s", STR_ARG(name),
		STR_ARG(value));
	memcpy(args + at + 2, row->args + at,
		(row->arg_count - at) * sizeof(*args));
	row->args = args;
	row->arg_count += 2;
}

static void apply(struct postconf *p, struct master_cf_row *row,
	const struct edit *edit)
{
	struct str name = edit->pattern.part[2];

	if (p->master == 'M') {
		*row = parse_row(p, edit->value);
		return;
	}
	if (p->master == 'F') {
		set_field(p, row, edit);
		return;
	}
	remove_setting(row, name);
	if (p->edit == EDIT_SET)
		add_setting(p, row, name, edit->value);
}

static bool is_aside(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static bool is_continued(struct str line)
{
	return line.len > 0 && ascii_is_blank((unsigned char)line.p[0]);
}

struct editing {
	struct postconf *p;
	struct master_cf cf;
	struct edit *edits;
	size_t count;
	struct buf out;
};

/* The row that begins in this line, or NULL (a double that does not count). */
static struct master_cf_row *row_at(struct editing *e, unsigned line)
{
	for (size_t i = 0; i < e->cf.count; i++)
		if (e->cf.rows[i].line == line)
			return &e->cf.rows[i];
	return NULL;
}

/* True if an edit concerns the row; the new text, if any, has been put. */
static bool edit_row(struct editing *e, struct master_cf_row *row,
	struct str line)
{
	bool any = false;
	struct postconf *p = e->p;

	for (size_t i = 0; row && i < e->count; i++) {
		struct edit *edit = &e->edits[i];

		if (!is_row(&edit->pattern, row))
			continue;
		edit->done = any = true;
		if (p->edit == EDIT_SET || p->master != 'M')
			apply(p, row, edit);
	}
	if (!any)
		return false;
	if (p->edit == EDIT_COMMENT)
		buf_fmt(&e->out, "#%.*s\n", STR_ARG(line));
	else if (p->edit == EDIT_SET || p->master != 'M')
		buf_fmt(&e->out, "%.*s\n", STR_ARG(row_text(p, row)));
	return true;
}

static void edit_text(struct editing *e, struct str text)
{
	unsigned number = 0;
	bool inside = false; /* an edited row */
	struct str line;

	while (str_take_line(&text, &line)) {
		number++;
		if (!is_aside(line) && !is_continued(line)) {
			inside = edit_row(e, row_at(e, number), line);
			if (inside)
				continue;
		} else if (inside && !is_aside(line)) {
			if (e->p->edit == EDIT_COMMENT)
				buf_fmt(&e->out, "#%.*s\n", STR_ARG(line));
			continue;
		}
		buf_fmt(&e->out, "%.*s\n", STR_ARG(line));
	}
}

/* Rows that were not there: -Me adds them; others are no match. */
static void finish(struct editing *e, char **arguments)
{
	struct postconf *p = e->p;

	for (size_t i = 0; i < e->count; i++) {
		struct edit *edit = &e->edits[i];
		struct master_cf_row row;

		if (edit->done)
			continue;
		if (p->edit != EDIT_SET || p->master != 'M') {
			log_warning("unmatched service_name/type: \"%s\"",
				arguments[i]);
			continue;
		}
		row = parse_row(p, edit->value);
		buf_fmt(&e->out, "%.*s\n", STR_ARG(row_text(p, &row)));
	}
}

void edit_master(struct postconf *p, char **arguments)
{
	struct editing e = { .p = p, .out = BUF_IN(p->arena) };

	while (arguments[e.count])
		e.count++;
	if (e.count == 0)
		log_fatal("%s", p->edit == EDIT_SET ?
			"-e requires name=value argument" :
			"missing service argument");
	e.edits = arena_array(p->arena, e.count, sizeof(*e.edits));
	for (size_t i = 0; i < e.count; i++)
		e.edits[i] = edit_of(p, arguments[i]);
	read_master(p, &e.cf);
	edit_text(&e, read_file_of(p, "master.cf"));
	finish(&e, arguments);
	write_file_of(p, "master.cf", buf_str(&e.out));
}
