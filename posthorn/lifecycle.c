#include "posthorn/postmulti.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "config/file.h"
#include "config/list.h"

enum { EDITS_MOST = 32 };

#define PRIMARY(p) (&(p)->instances.all[0])

/* ---- main.cf ---- */

/* "name=value" for postconf -e. */
struct edits {
	struct postmulti *p;
	char *argv[EDITS_MOST + 5];
	size_t count;
};

static void put_edit(struct edits *e, const char *name, struct str value)
{
	if (e->count == EDITS_MOST)
		panic("too many edits");
	e->argv[4 + e->count++] = arena_cstr(e->p->arena,
		arena_fmt(e->p->arena, "%s=%.*s", name, STR_ARG(value)));
}

static bool edit(struct edits *e, struct str directory)
{
	static char postconf[] = "postconf", c[] = "-c", edit_option[] = "-e";

	if (e->count == 0)
		return true;
	e->argv[0] = postconf;
	e->argv[1] = c;
	e->argv[2] = arena_cstr(e->p->arena, directory);
	e->argv[3] = edit_option;
	e->argv[4 + e->count] = NULL;
	return postmulti_run(e->p, directory, true, e->argv);
}

static bool edit_one(struct postmulti *p, struct str directory,
	const char *name, struct str value)
{
	struct edits e = { .p = p };

	put_edit(&e, name, value);
	return edit(&e, directory);
}

/* The list with `add` before the one at `place` (count: last), and without
 * `drop`. */
static bool write_list(struct postmulti *p, struct str add, size_t place,
	struct str drop)
{
	struct buf list = BUF_IN(p->arena);

	for (size_t i = 1; i <= p->instances.count; i++) {
		if (i == place && add.len)
			buf_fmt(&list, "%s%.*s", list.len ? " " : "",
				STR_ARG(add));
		if (i < p->instances.count &&
			!str_eq(p->instances.all[i].directory, drop))
			buf_fmt(&list, "%s%.*s", list.len ? " " : "",
				STR_ARG(p->instances.all[i].directory));
	}
	return edit_one(p, PRIMARY(p)->directory, "multi_instance_directories",
		buf_str(&list));
}

/* ---- names ---- */

/* "-": none. */
static struct str given(const char *text)
{
	return text && strcmp(text, "-") != 0 ? str_from(text) : STR("");
}

static bool is_name_octet(unsigned char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static void check_word(const char *option, const char *text)
{
	struct str rest = str_from(text);

	(void)str_take_while(&rest, is_name_octet);
	if (*text == '\0' || rest.len > 0)
		log_fatal("%s \"%s\": letters, digits and \"-_.\" only",
			option, text);
}

static void check_names(struct postmulti *p)
{
	struct str name = given(p->new_name);

	if (p->new_group)
		check_word("-G", p->new_group);
	if (!p->new_name)
		return;
	check_word("-I", p->new_name);
	if (name.len && !str_starts(name, STR("postfix-")))
		log_fatal("-I %s: names begin with \"postfix-\"",
			p->new_name);
}

static void put_names(struct postmulti *p, struct edits *e)
{
	if (p->new_name)
		put_edit(e, "multi_instance_name", given(p->new_name));
	if (p->new_group)
		put_edit(e, "multi_instance_group", given(p->new_group));
}

/* ---- create, import ---- */

struct plan {
	struct str config, queue, data;
	size_t place; /* in the list */
};

static struct str *directory_of(struct plan *plan, struct str name)
{
	return str_is(name, "config_directory") ? &plan->config :
		str_is(name, "queue_directory") ? &plan->queue :
		str_is(name, "data_directory") ? &plan->data : NULL;
}

static void read_arguments(struct postmulti *p, struct plan *plan)
{
	for (char **at = p->arguments; *at; at++) {
		struct str value = str_from(*at);
		struct str name = str_take_until(&value, '=');
		struct str *directory = directory_of(plan, name);

		if (!directory)
			log_fatal("%s: config_directory=, queue_directory= or "
				"data_directory=", *at);
		if (!str_starts(value, STR("/")))
			log_fatal("%s: write an absolute path", *at);
		while (value.len > 1 && value.p[value.len - 1] == '/')
			value.len--;
		*directory = value;
	}
}

/* The primary's directory with the instance's name at its end. */
static struct str named_like(struct postmulti *p, struct str primary)
{
	struct str name = given(p->new_name);
	size_t slash = str_rfind_char(primary, '/');

	if (name.len == 0 || slash == SIZE_MAX)
		return STR_NONE;
	return arena_fmt(p->arena, "%.*s/%.*s",
		STR_ARG(str_first(primary, slash)), STR_ARG(name));
}

static void fill_directory(struct postmulti *p, struct str *directory,
	struct str primary, const char *name)
{
	if (str_is_none(*directory))
		*directory = named_like(p, primary);
	if (str_is_none(*directory))
		log_fatal("neither -I nor %s= is given", name);
}

static bool has_file(struct postmulti *p, struct str directory,
	const char *name)
{
	return access(arena_fmt(p->arena, "%.*s/%s", STR_ARG(directory),
		name).p, F_OK) == 0;
}

/* Where in the list the new one goes. */
static size_t find_place(struct postmulti *p)
{
	struct instance *before = p->name ?
		instance_find(&p->instances, p->name) : NULL;

	if (p->all)
		return 1;
	if (p->name && (!before || before == PRIMARY(p)))
		log_fatal("-i %s: no such instance besides the primary",
			p->name);
	if (before)
		return (size_t)(before - p->instances.all);
	for (size_t i = 1; p->group && i < p->instances.count; i++)
		if (str_is(p->instances.all[i].group, p->group))
			return i;
	if (p->group)
		log_fatal("-g %s: no such group", p->group);
	return p->instances.count;
}

/* A stock file, from the primary's meta_directory; nothing is replaced. */
static bool write_stock(struct postmulti *p, struct plan *plan,
	const char *name)
{
	const char *from = arena_fmt(p->arena, "%.*s/%s.proto",
		STR_ARG(PRIMARY(p)->conf->meta_directory), name).p;
	const char *to = arena_fmt(p->arena, "%.*s/%s", STR_ARG(plan->config),
		name).p;
	struct str text;
	auto_close int fd = -1;

	if (!file_read(p->arena, from, &text)) {
		log_error("%s: %m: the stock file is installed there; see "
			"meta_directory", from);
		return false;
	}
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || !fd_write_all(fd, text.p, text.len) || fsync(fd) < 0) {
		log_error("%s: %m", to);
		return false;
	}
	return true;
}

/* What all instances share, where the primary's main.cf says it. */
static const char *const shared[] = {
	"command_directory", "daemon_directory", "meta_directory",
	"shlib_directory", "mail_owner", "setgid_group", "sendmail_path",
	"newaliases_path", "mailq_path", "html_directory",
	"manpage_directory", "sample_directory", "readme_directory",
	"inet_protocols",
};

static bool set_up(struct postmulti *p, struct plan *plan)
{
	const struct conf *primary = PRIMARY(p)->conf;
	struct edits e = { .p = p };
	static char postfix[] = "postfix", c[] = "-c",
		    permissions[] = "set-permissions";
	char *argv[] = { postfix, c, arena_cstr(p->arena, plan->config),
		permissions, NULL };

	if (!write_stock(p, plan, "main.cf") ||
		!write_stock(p, plan, "master.cf"))
		return false;
	for (size_t i = 0; i < COUNT(shared); i++)
		if (conf_is_set(primary, str_from(shared[i])))
			put_edit(&e, shared[i],
				conf_raw(primary, str_from(shared[i])));
	put_edit(&e, "queue_directory", plan->queue);
	put_edit(&e, "data_directory", plan->data);
	/* It listens and takes submissions when the administrator says so. */
	put_edit(&e, "master_service_disable", STR("inet"));
	put_edit(&e, "authorized_submit_users", STR(""));
	put_names(p, &e);
	return edit(&e, plan->config) &&
		postmulti_run(p, plan->config, true, argv);
}

static void make_new(struct postmulti *p, struct plan *plan)
{
	const struct conf *primary = PRIMARY(p)->conf;
	const char *path = arena_cstr(p->arena, plan->config);
	bool is_ours;

	fill_directory(p, &plan->queue, primary->queue_directory,
		"queue_directory");
	fill_directory(p, &plan->data, primary->data_directory,
		"data_directory");
	if (str_eq(plan->queue, plan->data) ||
		str_eq(plan->queue, plan->config) ||
		str_eq(plan->data, plan->config))
		log_fatal("config_directory, queue_directory and "
			"data_directory: three different ones");
	for (size_t i = 0; i < p->instances.count; i++) {
		const struct conf *other = p->instances.all[i].conf;

		if (str_eq(other->queue_directory, plan->queue) ||
			str_eq(other->data_directory, plan->data))
			log_fatal("queue_directory or data_directory is that "
				"of %.*s",
				STR_ARG(p->instances.all[i].directory));
	}
	is_ours = mkdir(path, 0755) == 0;
	if (!is_ours && errno != EEXIST)
		log_fatal("%s: %m", path);
	if (has_file(p, plan->config, "main.cf") ||
		has_file(p, plan->config, "master.cf"))
		log_fatal("%s has one of main.cf and master.cf: both, for an "
			"instance as it is, or none", path);
	if (set_up(p, plan))
		return;
	/* Else the next attempt would take half of an instance for one. */
	unlink(arena_fmt(p->arena, "%s/main.cf", path).p);
	unlink(arena_fmt(p->arena, "%s/master.cf", path).p);
	if (is_ours)
		rmdir(path);
	log_fatal("%s: the instance was not created", path);
}

static void check_new(struct postmulti *p, struct str directory)
{
	auto_arena struct arena *arena = arena_new(0);
	struct instances only;
	struct str conflict;

	instances_read(arena, arena_cstr(arena, directory), &only);
	if (p->new_name)
		only.all[0].name = given(p->new_name);
	conflict = instance_conflict(&p->instances, &only.all[0]);
	if (!str_is_none(conflict))
		log_fatal("%.*s", STR_ARG(conflict));
}

static int add(struct postmulti *p, bool may_create)
{
	struct plan plan = { STR_NONE, STR_NONE, STR_NONE, find_place(p) };
	struct edits names = { .p = p };
	bool is_there;

	read_arguments(p, &plan);
	check_names(p);
	fill_directory(p, &plan.config, PRIMARY(p)->directory,
		"config_directory");
	if (given(p->new_name).len && instance_find(&p->instances,
			p->new_name))
		log_fatal("-I %s: there is one with this name", p->new_name);
	if (instance_find(&p->instances, arena_cstr(p->arena, plan.config)))
		log_fatal("%.*s is managed already", STR_ARG(plan.config));
	is_there = has_file(p, plan.config, "main.cf") &&
		has_file(p, plan.config, "master.cf");
	if (!is_there && !may_create)
		log_fatal("%.*s: no main.cf and master.cf there",
			STR_ARG(plan.config));
	if (is_there) {
		check_new(p, plan.config);
		put_names(p, &names);
		if (!edit(&names, plan.config))
			return 1;
	} else {
		make_new(p, &plan);
	}
	return write_list(p, plan.config, plan.place, STR_NONE) ? 0 : 1;
}

static int create(struct postmulti *p, struct instance *one)
{
	(void)one;
	return add(p, true);
}

static int import(struct postmulti *p, struct instance *one)
{
	(void)one;
	return add(p, false);
}

/* ---- the others ---- */

static int init(struct postmulti *p, struct instance *one)
{
	struct edits e = { .p = p };

	(void)one;
	put_edit(&e, "multi_instance_wrapper",
		STR("${command_directory}/postmulti -p --"));
	put_edit(&e, "multi_instance_enable", STR("yes"));
	return edit(&e, PRIMARY(p)->directory) ? 0 : 1;
}

static int enable(struct postmulti *p, struct instance *one)
{
	return edit_one(p, one->directory, "multi_instance_enable",
		STR("yes")) ? 0 : 1;
}

static int disable(struct postmulti *p, struct instance *one)
{
	return edit_one(p, one->directory, "multi_instance_enable",
		STR("no")) ? 0 : 1;
}

static int assign(struct postmulti *p, struct instance *one)
{
	struct edits e = { .p = p };
	struct str conflict;

	if (!p->new_name && !p->new_group)
		log_fatal("-e assign: -I or -G, or both");
	check_names(p);
	if (p->new_name)
		one->name = given(p->new_name);
	conflict = instance_conflict(&p->instances, one);
	if (!str_is_none(conflict))
		log_fatal("%.*s", STR_ARG(conflict));
	put_names(p, &e);
	return edit(&e, one->directory) ? 0 : 1;
}

static void must_be_secondary(struct postmulti *p, const struct instance *one)
{
	if (one == PRIMARY(p))
		log_fatal("-e %s: not the primary instance", p->action);
}

static int deport(struct postmulti *p, struct instance *one)
{
	must_be_secondary(p, one);
	return write_list(p, STR_NONE, 0, one->directory) ? 0 : 1;
}

/* Exit status 0 of `postfix status`; its line is not of interest. */
static bool is_running(struct postmulti *p, const struct instance *one)
{
	static char sh[] = "sh", c[] = "-c",
		script[] = "exec \"$0\"/postfix status >/dev/null 2>&1";
	char *argv[] = { sh, c, script, arena_cstr(p->arena,
		PRIMARY(p)->conf->command_directory), NULL };

	return postmulti_run(p, one->directory, false, argv);
}

static bool remove_configuration(struct postmulti *p, struct str directory)
{
	static const char *const files[] = { "main.cf", "master.cf" };
	const char *path = arena_cstr(p->arena, directory);

	for (size_t i = 0; i < COUNT(files); i++)
		if (unlink(arena_fmt(p->arena, "%s/%s", path, files[i]).p) <
				0 && errno != ENOENT) {
			log_error("%s/%s: %m", path, files[i]);
			return false;
		}
	if (rmdir(path) < 0)
		log_warning("%s stays: %m", path);
	return true;
}

static int destroy(struct postmulti *p, struct instance *one)
{
	struct str reason;

	must_be_secondary(p, one);
	if (one->is_enabled)
		log_fatal("%.*s is enabled: run `postmulti -i %s -e disable` "
			"first", STR_ARG(one->directory), p->name);
	if (is_running(p, one))
		log_fatal("%.*s runs: stop it first",
			STR_ARG(one->directory));
	reason = queue_in_the_way(p->arena, one->conf);
	if (!str_is_none(reason))
		log_fatal("%.*s", STR_ARG(reason));
	/* Not managed any more first: what remains starts nothing. */
	if (!write_list(p, STR_NONE, 0, one->directory))
		return 1;
	if (!queue_remove(p->arena, one->conf))
		log_warning("what is left is the administrator's");
	return remove_configuration(p, one->directory) ? 0 : 1;
}

static const struct action {
	const char *name;
	int (*run)(struct postmulti *p, struct instance *one);
	bool of_one; /* needs -i */
	bool adds;   /* takes -a, -g, -i as a place, -I, -G, arguments */
	bool names;  /* takes -I, -G */
} actions[] = {
	{ "init", init, false, false, false },
	{ "create", create, false, true, true },
	{ "import", import, false, true, true },
	{ "destroy", destroy, true, false, false },
	{ "deport", deport, true, false, false },
	{ "enable", enable, true, false, false },
	{ "disable", disable, true, false, false },
	{ "assign", assign, true, false, true },
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	log_fatal("-e %s: no such action", name);
}

static void check_action(struct postmulti *p, const struct action *action)
{
	if (!action->adds && p->arguments[0])
		log_fatal("-e %s: takes no arguments", p->action);
	if (!action->names && (p->new_name || p->new_group))
		log_fatal("-e %s: takes no -I and no -G", p->action);
	if (action->of_one && (!p->name || p->all || p->group))
		log_fatal("-e %s: of which instance? -i tells, and nothing "
			"else", p->action);
	if (action->run != init && !instances_are_managed(&p->instances))
		log_fatal("%.*s/main.cf: run `postmulti -e init` first",
			STR_ARG(PRIMARY(p)->directory));
}

int postmulti_edit(struct postmulti *p)
{
	const struct action *action = find_action(p->action);
	struct instance *one = NULL;
	/* one at a time; until the process ends */
	int lock = open(arena_cstr(p->arena, PRIMARY(p)->directory),
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		log_fatal("%.*s: %m", STR_ARG(PRIMARY(p)->directory));
	instances_read(p->arena, p->directory, &p->instances);
	check_action(p, action);
	if (action->of_one && !(one = instance_find(&p->instances, p->name)))
		log_fatal("-i %s: no such instance", p->name);
	return action->run(p, one);
}
