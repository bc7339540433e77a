/*
 * posthorn/posthorn - what the files of the control command share.
 */
#ifndef POSTHORN_POSTHORN_H
#define POSTHORN_POSTHORN_H

#include "base/buf.h"
#include "base/log.h"
#include "config/config.h"
#include "config/master_cf.h"

struct command_line {
	struct arena *arena;
	const struct conf *conf;
	const char *config_directory; /* -c, or NULL */
	int argc;                     /* what stands behind the verb */
	char **argv;
	bool verbose;
};

/* run.c */
int run_start(struct command_line *line);
int run_start_fg(struct command_line *line);
int run_stop(struct command_line *line);
int run_quick_stop(struct command_line *line);
int run_abort(struct command_line *line);
int run_drain(struct command_line *line);
int run_reload(struct command_line *line);
int run_flush(struct command_line *line);
int run_status(struct command_line *line);
int run_logrotate(struct command_line *line);

/* folders.c: create what is missing; `repair` also corrects owners and modes.
 * Each difference that stays is a line. True: all is as it should be. */
bool folders_set(struct command_line *line, bool repair);
bool folders_check(struct command_line *line);
int run_set_permissions(struct command_line *line);

/* check.c */
int run_check(struct command_line *line);
/* brief: at start. True: no finding is an error; brief: none is a value that
 * ends the daemon that reads it. */
bool check_configuration(struct command_line *line, bool brief);

/* check_outside.c: tables, certificates, sockets, servers, ports. True: no
 * error. */
bool check_outside(struct command_line *line, const struct master_cf *cf);

/* settings.c: write "name=value"s to main.cf, and read it again. False: logged.
 * settings_take: those on the command line. */
must_check bool settings_write(struct command_line *line,
	char *const *settings, size_t count);
must_check bool settings_take(struct command_line *line);

/* tls.c */
int run_tls(struct command_line *line);

/* migrate.c */
int run_migrate_tables(struct command_line *line);

/* explain.c */
int run_explain(struct command_line *line);

/* probe.c */
int run_check_sandbox(struct command_line *line);

/* Process id of the running master, 0: none. */
int master_pid(struct command_line *line);

#endif
