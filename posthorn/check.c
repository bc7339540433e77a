#include "posthorn/posthorn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/master_cf.h"
#include "config/params.h"
#include "config/source.h"
#include "posthorn/nearest.h"
#include "service/command.h"
#include "service/programs.h"

/* What was found so far. */
struct findings {
	struct command_line *line;
	struct config *config;
	unsigned errors, warnings;
	bool brief; /* at start: what is not honoured yet in one line */
	struct buf later;
};

/* "file, line 7" of an entry. */
static struct str place(struct findings *f, const struct conf_entry *entry)
{
	return config_place(f->line->arena, f->config, entry->name);
}

/* ---- names ---- */

static bool ends_in(struct str name, const char *end)
{
	return str_ends(name, str_from(end)) && name.len > strlen(end);
}

/* Does some other value, or master.cf, use $name? */
static bool is_referred_to(struct findings *f, struct str name)
{
	for (const struct conf_entry *e = f->config->first; e; e = e->next) {
		struct str rest = e->value;
		size_t at;

		while ((at = str_find(rest, name)) != SIZE_MAX) {
			if (at > 0 && strchr("${(", rest.p[at - 1]))
				return true;
			rest = str_skip(rest, at + name.len);
		}
	}
	return false;
}

static struct str nearest_name(struct findings *f, struct str name)
{
	struct nearest best = nearest_of(name);

	for (struct table_walk w = { 0 }; table_next(f->config->rows, &w);)
		if (!param_is_pattern(w.value))
			nearest_look(&best, w.key);
	return best.name;
}

static void check_name(struct findings *f, const struct conf_entry *entry)
{
	struct str near;

	if (config_row(f->config, entry->name) ||
		param_of_transport(entry->name) ||
		ends_in(entry->name, "_fiber_limit") ||
		ends_in(entry->name, "_restrictions") ||
		is_referred_to(f, entry->name))
		return;
	near = nearest_name(f, entry->name);
	f->warnings++;
	if (near.len)
		log_warning("%.*sunknown parameter %.*s; did you mean %.*s?",
			STR_ARG(place(f, entry)), STR_ARG(entry->name),
			STR_ARG(near));
	else
		log_warning("%.*sunused parameter: %.*s=%.*s",
			STR_ARG(place(f, entry)), STR_ARG(entry->name),
			STR_ARG(entry->value));
}

/* ---- values ---- */

static void check_value(struct findings *f, const struct conf_entry *entry,
	const struct param_row *row)
{
	static struct conf scratch;
	struct str text, wrong;

	if (config_text(f->config, row, &text, &wrong) &&
		config_store(f->config, &scratch, row, text, &wrong))
		return;
	f->errors++;
	log_error("%.*s%.*s = %.*s: %.*s", STR_ARG(place(f, entry)),
		STR_ARG(entry->name), STR_ARG(entry->value), STR_ARG(wrong));
}

/* Said although it is what would be anyway: nothing to complain of. */
static bool is_default(struct findings *f, const struct conf_entry *entry,
	const struct param_row *row)
{
	return str_eq(entry->value, str_from(row->value)) ||
		str_eq(entry->value, config_default(f->config, row));
}

static void check_mark(struct findings *f, const struct conf_entry *entry,
	const struct param_row *row)
{
	if (is_default(f, entry, row))
		return;
	if (row->mark == MARK_GUARD) {
		f->errors++;
		log_error("%.*s%.*s is not honoured yet: mail that it concerns "
			"is refused with 451 4.3.5", STR_ARG(place(f, entry)),
			STR_ARG(entry->name));
	} else if (row->mark == MARK_LATER && f->brief) {
		buf_fmt(&f->later, "%s%.*s", f->later.len ? ", " : "",
			STR_ARG(entry->name));
	} else if (row->mark == MARK_LATER) {
		f->warnings++;
		log_warning("%.*s%.*s is not honoured yet",
			STR_ARG(place(f, entry)), STR_ARG(entry->name));
	}
}

static void check_entries(struct findings *f)
{
	for (const struct conf_entry *e = f->config->first; e; e = e->next) {
		const struct param_row *row = config_row(f->config, e->name);

		if (e->line == 0 || config_entry(f->config, e->name) != e)
			continue; /* not of the file; an earlier definition */
		check_name(f, e);
		if (!row)
			continue;
		check_value(f, e, row);
		check_mark(f, e, row);
	}
	if (f->later.len > 0)
		log_warning("not honoured yet: %.*s",
			STR_ARG(buf_str(&f->later)));
}

/* ---- master.cf ---- */

static struct str read_text(struct command_line *line, const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf text = BUF_IN(line->arena);
	ssize_t len = 1;

	while (fd >= 0 && len > 0 && buf_room(&text, 65536)) {
		len = read(fd, text.p + text.len, 65536);
		if (len > 0)
			text.len += (size_t)len;
	}
	if (fd < 0 || len < 0)
		log_fatal("%s: %m", path);
	return buf_str(&text);
}

static bool has_program(struct command_line *line, struct str name)
{
	const char *path = arena_cstr(line->arena,
		arena_fmt(line->arena, "%.*s/%.*s",
			STR_ARG(line->conf->daemon_directory), STR_ARG(name)));

	return access(path, X_OK) == 0;
}

static void check_program(struct findings *f, const char *path,
	const struct master_cf_row *row)
{
	struct str command = row->column[MASTER_CF_COMMAND];

	if (has_program(f->line, command) ||
		has_program(f->line, program_ours(command)))
		return;
	if (f->brief)
		return; /* master says so too */
	if (program_is_not_needed(command)) {
		log_info("%s, line %u: %.*s is not needed here", path,
			row->line, STR_ARG(command));
		return;
	}
	f->warnings++;
	log_warning("%s, line %u: no program %.*s in %.*s", path, row->line,
		STR_ARG(command),
		STR_ARG(f->line->conf->daemon_directory));
}

/* The -o settings of a row: known names, values of the right kind. */
static void check_settings(struct findings *f, const char *path,
	const struct master_cf_row *row)
{
	static struct conf scratch;

	for (size_t i = 1; i < row->arg_count; i++) {
		struct str value = row->args[i], name, near, wrong;
		const struct param_row *param;

		if (!str_is(row->args[i - 1], "-o"))
			continue;
		name = str_take_until(&value, '=');
		param = config_row(f->config, name);
		if (param && str_find_char(value, '$') == SIZE_MAX &&
			!config_store(f->config, &scratch, param, value,
				&wrong)) {
			f->errors++;
			log_error("%s, line %u: -o %.*s=%.*s: %.*s", path,
				row->line, STR_ARG(name), STR_ARG(value),
				STR_ARG(wrong));
		}
		if (param && param->mark == MARK_GUARD) {
			f->errors++;
			log_error("%s, line %u: %.*s is not honoured yet: "
				"mail that it concerns is refused with 451 "
				"4.3.5", path, row->line, STR_ARG(name));
		}
		if (param || param_of_transport(name))
			continue;
		near = nearest_name(f, name);
		f->warnings++;
		log_warning("%s, line %u: unknown parameter %.*s%s%.*s%s",
			path, row->line, STR_ARG(name),
			near.len ? "; did you mean " : "", STR_ARG(near),
			near.len ? "?" : "");
	}
}

static void check_master_cf(struct findings *f)
{
	struct arena *arena = f->line->arena;
	const char *path = arena_cstr(arena, arena_fmt(arena, "%.*s/master.cf",
		STR_ARG(f->line->conf->config_directory)));
	struct master_cf cf;

	master_cf_parse(arena, read_text(f->line, path), &cf);
	for (size_t i = 0; i < cf.finding_count; i++) {
		const struct master_cf_finding *finding = &cf.findings[i];

		if (finding->is_error) {
			f->errors++;
			log_error("%s, line %u: %.*s", path, finding->line,
				STR_ARG(finding->text));
		} else {
			f->warnings++;
			log_warning("%s, line %u: %.*s", path, finding->line,
				STR_ARG(finding->text));
		}
	}
	for (size_t i = 0; i < cf.count; i++) {
		check_program(f, path, &cf.rows[i]);
		check_settings(f, path, &cf.rows[i]);
	}
}

/* Files that decide what root runs. */
static void check_safe(struct findings *f, struct str folder, const char *name)
{
	const char *path = arena_cstr(f->line->arena,
		arena_fmt(f->line->arena, "%.*s%s", STR_ARG(folder), name));
	struct stat st;

	if (stat(path, &st) < 0) {
		f->errors++;
		log_error("%s: %m", path);
		return;
	}
	if (geteuid() == 0 && st.st_uid != 0) {
		f->warnings++;
		log_warning("not owned by root: %s", path);
	}
	if (st.st_mode & 022) {
		f->warnings++;
		log_warning("group or other writable: %s", path);
	}
}

bool check_configuration(struct command_line *line, bool brief)
{
	struct findings f = { .line = line, .config = line->conf->source,
		.brief = brief, .later = BUF_IN(line->arena) };

	check_safe(&f, line->conf->config_directory, "/main.cf");
	check_safe(&f, line->conf->config_directory, "/master.cf");
	check_safe(&f, line->conf->daemon_directory, "");
	check_entries(&f);
	check_master_cf(&f);
	return f.errors == 0;
}

int run_check(struct command_line *line)
{
	bool is_fine;

	if (line->argc > 0 && strcmp(line->argv[0], "sandbox") == 0)
		return run_check_sandbox(line);
	command_log(line->conf, "postfix-script");
	is_fine = check_configuration(line, false);
	return folders_check(line) && is_fine ? 0 : 1;
}
