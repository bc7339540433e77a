#include "master/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/file.h"

static bool take_file(struct arena *arena, const char *name,
	struct str *text, struct str *wrong)
{
	const char *path = arena_cstr(arena, arena_fmt(arena, "%s/%s",
		conf_directory(state.config_directory), name));

	if (file_read(arena, path, text))
		return true;
	*wrong = arena_fmt(arena, "open %s: %m", path);
	return false;
}

bool rows_read(struct rows_files *files, struct str *wrong)
{
	files->arena = arena_new(0);
	return take_file(files->arena, "main.cf", &files->main_cf, wrong) &&
		take_file(files->arena, "master.cf", &files->master_cf, wrong);
}

/* All errors, then the end. */
static void say_findings(const struct master_cf *cf, const char *path)
{
	bool is_bad = false;

	for (size_t i = 0; i < cf->finding_count; i++) {
		const struct master_cf_finding *f = &cf->findings[i];

		if (f->is_error)
			log_error("%s: line %u: %.*s", path, f->line,
				STR_ARG(f->text));
		else
			log_warning("%s: line %u: %.*s", path, f->line,
				STR_ARG(f->text));
		is_bad = is_bad || f->is_error;
	}
	if (is_bad)
		log_fatal("%s: not used, see the lines above", path);
}

static char *find_program(struct arena *arena, const struct conf *conf,
	struct str command)
{
	struct str path = arena_fmt(arena, "%.*s/%.*s",
		STR_ARG(conf->daemon_directory), STR_ARG(command));
	char *name = arena_cstr(arena, path);

	return access(name, X_OK) == 0 ? name : NULL;
}

/* maxproc: a number limits what all processes together do at once, but for
 * programs of which there is one. */
static void set_limits(struct row *row, const struct master_cf_row *cf,
	const struct conf *conf)
{
	int64_t limit = conf->default_process_limit;
	bool shares = row->program && row->program->flags & PROGRAM_SHARES;

	row->fibers = row->program ? row->program->fibers : 1;
	row->fibers = service_fiber_limit(conf, row->name, row->command,
		row->fibers);
	row->processes = limit > 0 && limit < UNLIMITED ? (unsigned)limit :
							  UNLIMITED;
	if (row->program && row->program->flags & PROGRAM_ONE) {
		row->processes = 1;
	} else if (cf->maxproc == 0) {
		row->processes = UNLIMITED;
	} else if (cf->maxproc > 0) {
		unsigned needed;

		row->sessions = (unsigned)cf->maxproc;
		needed = (row->sessions + row->fibers - 1) / row->fibers;
		if (needed < state.cpus && !shares)
			needed = state.cpus < row->sessions ? state.cpus :
							      row->sessions;
		row->processes = needed < UNLIMITED ? needed : UNLIMITED;
	}
	row->worthwhile = shares ? 1 : row->processes < state.cpus ?
		row->processes : state.cpus;
	row->at_once = row->sessions ? row->sessions : row->processes;
	if (!row->sessions && row->program &&
		row->program->flags & PROGRAM_WAITS)
		row->at_once = row->processes * row->fibers;
}

static void set_args(struct arena *arena, struct row *row,
	const struct master_cf_row *cf)
{
	row->args = arena_array(arena, cf->arg_count + 1, sizeof(char *));
	row->arg_count = cf->arg_count;
	for (size_t i = 0; i < cf->arg_count; i++)
		row->args[i] = arena_cstr(arena, cf->args[i]);
}

static void fill_row(struct arena *arena, struct row *row,
	const struct master_cf_row *cf, const struct conf *conf)
{
	struct str command = program_of_row(conf,
		cf->column[MASTER_CF_SERVICE], cf->column[MASTER_CF_COMMAND]);
	struct str ours = program_ours(command);

	row->name = arena_cstr(arena, cf->column[MASTER_CF_SERVICE]);
	row->type = cf->type;
	row->program = program_find(ours);
	row->command = arena_cstr(arena, ours);
	/* "lmtp" is a name of smtp that says what it speaks */
	row->path = find_program(arena, conf, command);
	if (!row->path)
		row->path = find_program(arena, conf, ours);
	row->wakeup = cf->wakeup;
	row->wakeup_lazy = cf->wakeup_lazy;
	row->next_wakeup = MOMENT_NEVER;
	if (cf->wakeup.us > 0)
		row->next_wakeup = moment_now();
	set_args(arena, row, cf);
	set_limits(row, cf, conf);
}

/* Rows whose program is not here, named in two lines. */
static void say_missing(struct arena *arena)
{
	struct buf not_needed = BUF_IN(arena), missing = BUF_IN(arena);

	for (size_t i = 0; i < state.row_count; i++) {
		const struct row *row = &state.rows[i];
		struct buf *list = program_is_not_needed(
			str_from(row->command)) ? &not_needed : &missing;

		if (!row->path)
			buf_fmt(list, "%s%s/%s (%s)", list->len ? ", " : "",
				row->name, master_cf_type_name(row->type),
				row->command);
	}
	if (not_needed.len)
		log_debug("rows that are not needed here: %.*s",
			STR_ARG(buf_str(&not_needed)));
	if (missing.len)
		log_warning("rows without a program in %.*s: %.*s",
			STR_ARG(state.conf->daemon_directory),
			STR_ARG(buf_str(&missing)));
}

/* Sockets of old rows that nobody has taken over. */
static void close_old(struct row *old, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < old[i].listener_count; j++)
			if (old[i].listeners[j].fd >= 0)
				listen_close(&old[i].listeners[j]);
}

static struct row *same_row(const struct row *old)
{
	for (size_t i = 0; old && i < state.row_count; i++)
		if (state.rows[i].type == old->type &&
			strcmp(state.rows[i].name, old->name) == 0)
			return &state.rows[i];
	return NULL;
}

/* Children and those who wait belong to the new rows now. */
static void move_children(void)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++)
		state.children[i].row = same_row(state.children[i].row);
	for (size_t i = 0; i < WAITING_MOST; i++)
		state.waiting[i].row = same_row(state.waiting[i].row);
}

static size_t count_rows(const struct master_cf *cf,
	const struct master_cf *ours)
{
	return cf->count + ours->count;
}

/* One of our rows: master.cf has it, or another name is set for it. */
static bool is_replaced(const struct master_cf *cf,
	const struct master_cf_row *ours)
{
	struct str name = ours->column[MASTER_CF_SERVICE];

	return master_cf_find(cf, name, ours->type) ||
		!str_eq(service_named(state.conf, name), name);
}

/* Rows of master.cf that are not disabled, then ours that it lacks. */
static void make_rows(struct arena *arena, const struct master_cf *cf,
	const struct master_cf *ours, struct row *old, size_t old_count)
{
	struct str disabled = state.conf->master_service_disable;

	state.row_count = 0;
	state.rows = arena_array(arena, count_rows(cf, ours),
		sizeof(*state.rows));
	for (size_t i = 0; i < count_rows(cf, ours); i++) {
		const struct master_cf_row *from = i < cf->count ?
			&cf->rows[i] : &ours->rows[i - cf->count];
		struct row *row = &state.rows[state.row_count];

		if (master_cf_is_listed(from, disabled) ||
			(i >= cf->count && is_replaced(cf, from)))
			continue;
		fill_row(arena, row, from, state.conf);
		if (i >= cf->count && !row->path)
			continue;
		state.row_count++;
		if (row->path && !listen_open(row, from, old, old_count))
			log_warning("service %s/%s has no socket", row->name,
				master_cf_type_name(row->type));
	}
}

static const struct conf *parse_both(const struct rows_files *files,
	struct master_cf *cf)
{
	struct arena *arena = files->arena;
	const struct conf *conf = conf_load(arena, &(struct conf_wanted){
		.directory = state.config_directory,
		.text = files->main_cf,
		.program = "master",
	});
	const char *path = arena_cstr(arena, arena_fmt(arena, "%.*s/master.cf",
		STR_ARG(conf->config_directory)));

	master_cf_parse(arena, files->master_cf, cf);
	say_findings(cf, path);
	return conf;
}

void rows_check(const struct rows_files *files)
{
	struct master_cf cf;

	(void)parse_both(files, &cf);
}

void rows_use(struct rows_files *files)
{
	struct arena *arena = files->arena, *old_arena = state.arena;
	struct row *old = state.rows;
	size_t old_count = state.row_count;
	struct master_cf cf, ours;

	state.conf = parse_both(files, &cf);
	files->arena = NULL;
	master_cf_parse(arena, str_from(master_cf_built_in), &ours);
	for (size_t i = 0; i < old_count; i++)
		listen_unwatch(&old[i]);
	make_rows(arena, &cf, &ours, old, old_count);
	close_old(old, old_count);
	move_children();
	state.arena = arena;
	arena_free(old_arena);
	say_missing(arena);
}

struct row *row_find(struct str name)
{
	for (size_t i = 0; i < state.row_count; i++)
		if ((state.rows[i].type == MASTER_CF_UNIX ||
			    state.rows[i].type == MASTER_CF_PASS) &&
			str_is(name, state.rows[i].name))
			return &state.rows[i];
	return NULL;
}
