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

/* Nothing of an older release has to be changed yet. */
static int run_upgrade(struct command_line *line)
{
	return folders_set(line, false) ? 0 : 1;
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

static const struct verb {
	const char *name;
	int (*run)(struct command_line *line);
	const char *help;
} verbs[] = {
	{ "start", run_start, "start; returns when mail is taken" },
	{ "start-fg", run_start_fg, "the same in the foreground" },
	{ "stop", run_stop, "end when what is under way is finished" },
	{ "quick-stop", run_quick_stop, "the same with little patience" },
	{ "drain", run_drain, "the same with all patience" },
	{ "abort", run_abort, "end now" },
	{ "reload", run_reload, "read main.cf and master.cf again" },
	{ "status", run_status, "exit status 0: runs" },
	{ "check", run_check, "the configuration and the folders; "
		"`check sandbox`: what each daemon cannot do" },
	{ "explain", run_explain, "what would happen to mail for an address" },
	{ "flush", run_flush, "try to deliver everything now" },
	{ "set-permissions", run_set_permissions,
		"create the folders, correct owners and modes" },
	{ "upgrade-configuration", run_upgrade, "create missing folders" },
	{ "migrate-tables", run_migrate_tables,
		"LMDB files for all hash: and btree: tables; --dry-run" },
	{ "logrotate", run_logrotate, "begin a new maillog_file" },
	{ "queue", run_queue, "show messages, and work on all that are "
		"selected" },
	{ "user", run_user, "add, passwd, list, delete" },
	{ "mailbox", run_mailbox, "work on users' mail" },
	{ "version", run_version, "print the version" },
};

/* The verbs of Postfix's command that have no meaning here. */
static const char *const not_here[] = { "tls", "non-bdb" };

static _Noreturn void say_usage(FILE *to, int status)
{
	fprintf(to, "usage: %s [-c DIRECTORY] [-Dv] VERB [ARGUMENT]...\n",
		program_invocation_short_name);
	for (size_t i = 0; i < COUNT(verbs); i++)
		fprintf(to, "  %-22s %s\n", verbs[i].name, verbs[i].help);
	exit(status);
}

static int run_verb(struct command_line *line, const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(name, verbs[i].name) == 0)
			return verbs[i].run(line);
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
	line.conf = command_conf(line.arena, line.config_directory);
	line.argc = argc - optind - 1;
	line.argv = argv + optind + 1;
	return run_verb(&line, argv[optind]);
}
