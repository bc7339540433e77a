/*
 * posthorn - starts, stops, checks and asks an instance; also `postfix`.
 *
 * Room       a command of the administrator
 * Gets       its command line
 * Calls      master, through public/control
 * Files      main.cf, master.cf; the folders of the queue
 */
#include "posthorn/posthorn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/command.h"

static int run_version(struct command_line *line)
{
	(void)line;
	printf("posthorn %s\n", PACKAGE_VERSION);
	return 0;
}

/* Nothing of an older release has to be changed yet: services that master.cf
 * lacks have built-in rows, and new parameters their defaults. */
static int run_upgrade(struct command_line *line)
{
	return settings_take(line) && folders_set(line, false) ? 0 : 1;
}

/* "user" is run by posthorn-user in the daemon directory. */
static int run_helper(struct command_line *line, const char *name)
{
	const char *path = arena_cstr(line->arena,
		arena_fmt(line->arena, "%.*s/posthorn-%s",
			STR_ARG(line->conf->daemon_directory), name));
	char **argv = arena_array(line->arena, (size_t)line->argc + 2,
		sizeof(char *));

	if (line->config_directory)
		setenv("MAIL_CONFIG", line->config_directory, 1);
	argv[0] = arena_cstr(line->arena, str_from(path));
	for (int i = 0; i < line->argc; i++)
		argv[i + 1] = line->argv[i];
	execv(path, argv);
	log_error("%s: %m", path);
	return 1;
}

static int run_user(struct command_line *line)
{
	return run_helper(line, "user");
}

static int run_queue(struct command_line *line)
{
	return run_helper(line, "queue");
}

static int run_mailbox(struct command_line *line)
{
	return run_helper(line, "mailbox");
}

enum {
	EACH = 1,  /* with several instances, for each of them */
	ALONE = 2, /* with several instances, only with -c */
};

static const struct verb {
	const char *name;
	int (*run)(struct command_line *line);
	const char *help;
	unsigned flags;
} verbs[] = {
	{ "start", run_start, "start; returns when mail is taken", EACH },
	{ "start-fg", run_start_fg, "the same in the foreground", ALONE },
	{ "stop", run_stop, "end when what is under way is finished", EACH },
	{ "quick-stop", run_quick_stop, "the same with little patience", EACH },
	{ "drain", run_drain, "the same with all patience", EACH },
	{ "abort", run_abort, "end now", EACH },
	{ "reload", run_reload, "read main.cf and master.cf again", EACH },
	{ "status", run_status, "exit status 0: runs", EACH },
	{ "check", run_check, "the configuration and the folders; "
		"`check sandbox`: what each daemon cannot do", EACH },
	{ "explain", run_explain, "what would happen to mail for an address" },
	{ "flush", run_flush, "try to deliver everything now", EACH },
	{ "set-permissions", run_set_permissions,
		"create the folders, correct owners and modes; NAME=VALUE...: "
		"set that first", EACH },
	{ "upgrade-configuration", run_upgrade, "create missing folders; "
		"NAME=VALUE...: set that first", EACH },
	{ "migrate-tables", run_migrate_tables,
		"LMDB files for all hash: and btree: tables; --dry-run" },
	{ "tls", run_tls, "enable TLS, and make keys and certificates", EACH },
	{ "logrotate", run_logrotate, "begin a new maillog_file", EACH },
	{ "queue", run_queue, "show messages, and work on all that are "
		"selected" },
	{ "user", run_user, "add, passwd, list, delete" },
	{ "mailbox", run_mailbox, "work on users' mail" },
	{ "version", run_version, "print the version" },
};

/* The verbs of Postfix's command that have no meaning here. */
static const char *const not_here[] = { "non-bdb" };

static _Noreturn void say_usage(FILE *to, int status)
{
	fprintf(to, "usage: %s [-c DIRECTORY] [-Dv] VERB [ARGUMENT]...\n",
		program_invocation_short_name);
	for (size_t i = 0; i < COUNT(verbs); i++)
		fprintf(to, "  %-22s %s\n", verbs[i].name, verbs[i].help);
	exit(status);
}

/* ---- several instances: postfix-wrapper(5) of Postfix ---- */

static bool is_one_of_several(const struct command_line *line)
{
	const char *directory = getenv("MAIL_CONFIG");

	return !line->config_directory && (!directory || !*directory) &&
		line->conf->multi_instance_wrapper.len > 0 &&
		line->conf->multi_instance_directories.len > 0;
}

/* multi_instance_wrapper, its words, the verb and its arguments. */
static int run_wrapper(struct command_line *line, const char *verb)
{
	static const char *const exported[] = { "command_directory",
		"config_directory", "daemon_directory", "data_directory",
		"html_directory", "mail_owner", "mailq_path",
		"manpage_directory", "meta_directory", "newaliases_path",
		"queue_directory", "readme_directory", "sample_directory",
		"sendmail_path", "setgid_group", "shlib_directory" };
	struct str rest = line->conf->multi_instance_wrapper, word;
	char **argv = NULL;
	size_t room = 0, count = 0;

	while (str_take_item(&rest, " \t\r\n", &word)) {
		arena_grow(line->arena, &argv, &room, count + 1,
			sizeof(*argv));
		argv[count++] = arena_cstr(line->arena, word);
	}
	arena_grow(line->arena, &argv, &room, count + (size_t)line->argc + 2,
		sizeof(*argv));
	argv[count++] = arena_cstr(line->arena, str_from(verb));
	for (int i = 0; i < line->argc; i++)
		argv[count++] = line->argv[i];
	argv[count] = NULL;
	for (size_t i = 0; i < COUNT(exported); i++)
		setenv(exported[i], arena_cstr(line->arena,
			conf_text(line->conf, str_from(exported[i]))), 1);
	setenv("MAIL_CONFIG", arena_cstr(line->arena,
		line->conf->config_directory), 1);
	if (line->verbose)
		setenv("MAIL_VERBOSE", "", 1);
	execvp(argv[0], argv);
	log_error("multi_instance_wrapper: %s: %m", argv[0]);
	return 1;
}

static int run_found(struct command_line *line, const struct verb *verb)
{
	if (verb->flags && is_one_of_several(line)) {
		if (verb->flags & EACH)
			return run_wrapper(line, verb->name);
		log_error("%s is for one instance, and "
			"multi_instance_directories is set: name one with -c",
			verb->name);
		return 1;
	}
	return verb->run(line);
}

static int run_verb(struct command_line *line, const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(name, verbs[i].name) == 0)
			return run_found(line, &verbs[i]);
	for (size_t i = 0; i < COUNT(not_here); i++)
		if (strcmp(name, not_here[i]) == 0) {
			log_error("posthorn has no \"%s\"", name);
			return 1;
		}
	log_error("unknown verb \"%s\"", name);
	say_usage(stderr, 1);
}

int main(int argc, char **argv)
{
	static const struct command command = {
		"posthorn", "[-c DIRECTORY] [-Dv] VERB [ARGUMENT]...",
	};
	struct command_line line = { .arena = arena_new(0) };
	int option;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		say_usage(stdout, 0);
	command_begin(&command, argc, argv);
	while ((option = getopt(argc, argv, "+c:Dv")) != -1) {
		switch (option) {
		case 'c':
			line.config_directory = optarg;
			break;
		case 'D':
			break;
		case 'v':
			line.verbose = true;
			log_verbose(true);
			break;
		default:
			say_usage(stderr, 1);
		}
	}
	if (optind >= argc)
		say_usage(stderr, 1);
	if (getenv("MAIL_VERBOSE")) {
		line.verbose = true;
		log_verbose(true);
	}
	line.conf = command_conf(line.arena, line.config_directory);
	line.argc = argc - optind - 1;
	line.argv = argv + optind + 1;
	return run_verb(&line, argv[optind]);
}
