#include "service/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "log/sink.h"

enum { STANDARD_FDS = 3 };

/* A descriptor 0, 1 or 2 that is closed would be given to some file. */
static void open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < STANDARD_FDS);
	if (fd >= 0)
		close(fd);
}

void command_usage(const struct command *command)
{
	log_at(LOG_LEVEL_FATAL, "usage: %s %s", command->says_path ?
		program_invocation_name : command->name, command->usage);
	exit(1);
}

static void name_program(const struct command *command, char **argv)
{
	const char *slash = strrchr(argv[0], '/');

	if (!command->says_path && slash)
		argv[0] += slash + 1 - argv[0];
	log_name(command->says_path ? argv[0] : command->name);
}

void command_begin(const struct command *command, int argc, char **argv)
{
	open_standard();
	signal(SIGPIPE, SIG_IGN);
	if (argc > 0)
		name_program(command, argv);
	log_verbose(getenv("MAIL_VERBOSE") != NULL);
	if (argc < 2 || strncmp(argv[1], "--", 2) != 0)
		return;
	if (strcmp(argv[1], "--help") == 0) {
		printf("usage: %s %s\n", command->name, command->usage);
		exit(0);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("%s (posthorn) %s\n", command->name, PACKAGE_VERSION);
		exit(0);
	}
	if (argv[1][2])
		command_usage(command);
}

const struct conf *command_conf_with(struct arena *arena, const char *directory,
	const char *const *overrides, size_t override_count)
{
	struct conf_wanted wanted = {
		.directory = directory,
		.program = program_invocation_short_name,
		.service = program_invocation_short_name,
		.overrides = overrides,
		.override_count = override_count,
	};

	return conf_load(arena, &wanted);
}

const struct conf *command_conf(struct arena *arena, const char *directory)
{
	return command_conf_with(arena, directory, NULL, 0);
}

/* It ends by itself, or puts what it starts into the background; parameters
 * like $process_id are in the text already. */
void command_debug(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	const char *text = arena_cstr(arena, conf->debugger_command);

	if (!getenv("MAIL_DEBUG") || !*text)
		return;
	log_info("running: %s", text);
	if (system(text) != 0)
		log_warning("debugger_command failed");
}

static void log_there(const struct conf *conf, const char *name,
	bool only_wrong)
{
	struct arena *arena = arena_new(0); /* until the process ends */

	log_to_system(&(struct log_system){
		.tag = arena_fmt(arena, "%.*s/%s", STR_ARG(conf->syslog_name),
			name),
		.facility = conf->syslog_facility,
		.maillog_file = conf->maillog_file,
		.postlog_socket = arena_fmt(arena, "%.*s/public/%.*s",
			STR_ARG(conf->queue_directory),
			STR_ARG(conf->postlog_service_name)),
		.file_prefixes = conf->maillog_file_prefixes,
		.only_wrong = only_wrong,
	});
}

void command_log(const struct conf *conf, const char *name)
{
	log_there(conf, name, false);
}

void command_log_quietly(const struct conf *conf, const char *name)
{
	log_there(conf, name, !isatty(STDERR_FILENO));
}
