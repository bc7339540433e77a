/*
 * service/command - how commands (postqueue, postmap, ...) start.
 *
 *	command_begin(&(struct command){ "postlock", "[-c dir] file command" },
 *		argc, argv);
 *	... getopt() ...
 *	conf = command_conf(arena, directory);
 *	command_log(conf, "postlock");       (only if it logs as daemons do)
 *
 * Waits    for the disk
 */
#ifndef SERVICE_COMMAND_H
#define SERVICE_COMMAND_H

#include "config/config.h"

struct command {
	const char *name;  /* of the program */
	const char *usage; /* what stands behind the name in "usage: ..." */
	/* Messages begin with the name as it was called, with its path: so
	 * Postfix's postcat, postconf, postlock, smtp-source, smtp-sink. */
	bool says_path;
};

/*
 * Names the program in messages (also getopt's: argv[0] is set), ignores
 * SIGPIPE, opens missing standard descriptors, and answers --help and
 * --version (exit status 0).
 */
void command_begin(const struct command *command, int argc, char **argv);
/* One line on standard error, and exit status 1. */
_Noreturn void command_usage(const struct command *command);

/* main.cf of `directory` (-c; NULL: $MAIL_CONFIG or the built-in one). Ends
 * the process when it cannot be read. */
const struct conf *command_conf(struct arena *arena, const char *directory);
/* The same with -o overrides. */
const struct conf *command_conf_with(struct arena *arena, const char *directory,
	const char *const *overrides, size_t override_count);

/* If MAIL_DEBUG is in the environment: run debugger_command. */
void command_debug(const struct conf *conf);

/* From now on lines go to the mail log too, with the tag
 * "$syslog_name/name". */
void command_log(const struct conf *conf, const char *name);
/* The same for what runs by itself, too (cron): what is no warning stands on
 * standard error only if that is a terminal. */
void command_log_quietly(const struct conf *conf, const char *name);

#endif
