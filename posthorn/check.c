#include "posthorn/posthorn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/sink.h"
#include "config/findings.h"
#include "config/list.h"
#include "config/master_cf.h"
#include "config/params.h"
#include "config/source.h"
#include "service/command.h"
#include "service/programs.h"

/* What was found so far. */
struct findings_so_far {
	struct command_line *line;
	struct config *config;
	unsigned errors, warnings;
	unsigned fatal; /* errors of which a daemon ends that reads it */
	bool brief; /* at start: what is not honoured yet in one line */
	struct buf later;
};

/* ---- main.cf ---- */

static void add_later(struct findings_so_far *f, struct str name)
{
	if (!list_has_word(buf_str(&f->later), arena_cstr(f->line->arena,
			name)))
		buf_fmt(&f->later, "%s%.*s", f->later.len ? ", " : "",
			STR_ARG(name));
}

static bool is_fatal(const struct findings_so_far *f,
	const struct finding *finding)
{
	const struct param_row *row = config_row(f->config, finding->name);

	return finding->kind == FINDING_VALUE && row && row->mark == MARK_DONE;
}

/* At start, what is merely without effect is named in one line. */
static void say(struct findings_so_far *f, const struct finding *finding)
{
	if (finding->is_error) {
		f->errors++;
		f->fatal += is_fatal(f, finding);
		log_error("%.*s", STR_ARG(finding->text));
	} else if (f->brief && finding->kind == FINDING_LATER) {
		add_later(f, finding->name);
	} else {
		f->warnings++;
		log_warning("%.*s", STR_ARG(finding->text));
	}
}

/* All arguments of master.cf, where main.cf's names may be used. */
static struct str *all_args(struct arena *arena, const struct master_cf *cf,
	size_t *count)
{
	struct str *args = NULL;
	size_t room = 0;

	*count = 0;
	for (size_t i = 0; i < cf->count; i++)
		for (size_t k = 0; k < cf->rows[i].arg_count; k++) {
			arena_grow(arena, &args, &room, *count + 1,
				sizeof(*args));
			args[(*count)++] = cf->rows[i].args[k];
		}
	return args;
}

static void check_entries(struct findings_so_far *f,
	const struct master_cf *cf)
{
	struct findings found;
	size_t count;
	struct str *args = all_args(f->line->arena, cf, &count);

	conf_findings(f->line->arena, f->line->conf, args, count, &found);
	for (size_t i = 0; i < found.count; i++)
		say(f, &found.all[i]);
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

static void check_program(struct findings_so_far *f, const char *path,
	const struct master_cf_row *row)
{
	struct str command = program_of_row(f->line->conf,
		row->column[MASTER_CF_SERVICE], row->column[MASTER_CF_COMMAND]);

	if (has_program(f->line, command) ||
		has_program(f->line, program_ours(command)))
		return;
	if (f->brief)
		return; /* master says so too */
	if (program_is_not_needed(command)) {
		log_debug("%s, line %u: %.*s is not needed here", path,
			row->line, STR_ARG(command));
		return;
	}
	f->warnings++;
	log_warning("%s, line %u: no program %.*s in %.*s", path, row->line,
		STR_ARG(command),
		STR_ARG(f->line->conf->daemon_directory));
}

/* The -o settings of a row: known names, values of the right kind. */
static void check_settings(struct findings_so_far *f, const char *path,
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
		if (param && param->mark == MARK_LATER && f->brief) {
			add_later(f, name);
		} else if (param && param->mark == MARK_LATER) {
			f->warnings++;
			log_warning("%s, line %u: %.*s is not supported yet "
				"and has no effect", path, row->line,
				STR_ARG(name));
		}
		if (param || param_of_transport(name))
			continue;
		near = conf_nearest(f->line->conf, name);
		f->warnings++;
		log_warning("%s, line %u: unknown parameter %.*s%s%.*s%s",
			path, row->line, STR_ARG(name),
			near.len ? "; did you mean " : "", STR_ARG(near),
			near.len ? "?" : "");
	}
}

static void check_files(struct findings_so_far *f)
{
	struct arena *arena = f->line->arena;
	const char *path = arena_cstr(arena, arena_fmt(arena, "%.*s/master.cf",
		STR_ARG(f->line->conf->config_directory)));
	struct master_cf cf;

	master_cf_parse(arena, read_text(f->line, path), &cf);
	check_entries(f, &cf);
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
	if (f->later.len > 0)
		log_warning("not honoured yet: %.*s",
			STR_ARG(buf_str(&f->later)));
	if (!f->brief && !check_outside(f->line, &cf))
		f->errors++;
}

/* postlogd does not write anywhere. */
static void check_log_file(struct findings_so_far *f)
{
	const struct conf *conf = f->line->conf;

	if (log_file_is_allowed(conf->maillog_file,
		    conf->maillog_file_prefixes))
		return;
	f->errors++;
	log_error("maillog_file = %.*s is not below any of "
		"maillog_file_prefixes = %.*s: add its folder there",
		STR_ARG(conf->maillog_file),
		STR_ARG(conf->maillog_file_prefixes));
}

/* Files that decide what root runs. */
static void check_safe(struct findings_so_far *f, struct str folder, const char *name)
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
	struct findings_so_far f = { .line = line, .config = line->conf->source,
		.brief = brief, .later = BUF_IN(line->arena) };

	check_log_file(&f);
	check_safe(&f, line->conf->config_directory, "/main.cf");
	check_safe(&f, line->conf->config_directory, "/master.cf");
	check_safe(&f, line->conf->daemon_directory, "");
	check_files(&f);
	return (brief ? f.fatal : f.errors) == 0;
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
