/*
 * agent/command - run a program on a message: pipe(8), |command of aliases and
 * .forward files, mailbox_command.
 *
 * The program gets the message on standard input, has nothing else open, runs
 * in a session of its own with NO_NEW_PRIVS, and is killed with all it started
 * when its time is over. What it prints (both descriptors, up to
 * COMMAND_OUTPUT_MOST) is for the report.
 *
 * Memory   in the arena
 * Waits    command_run
 * Errors   a status made of the exit status as sendmail's programs use them
 *          (sysexits.h), of a signal, or of the time limit
 */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include "agent/deliver.h"
#include "agent/program.h"

enum {
	COMMAND_OUTPUT_MOST = 8192,
	COMMAND_WORDS_MOST = 4096,
};

/* What becomes of the message on its way into the program. */
enum command_flag {
	COMMAND_FROM_LINE = 1,   /* F: "From sender date" in front */
	COMMAND_BLANK_LINE = 2,  /* B: an empty line at the end */
	COMMAND_QUOTE_FROM = 4,  /* >: ">" before "From " */
	COMMAND_STUFF_DOTS = 8,  /* .: "." before "." */
};

struct command_plan {
	struct program_plan program;
	struct span time_limit;
	struct str head;         /* header lines put in front of the content */
	unsigned flags;
	struct str null_sender;  /* in "From "; empty: MAILER-DAEMON */
	const char *eol;         /* line end, "\n" */
};

/* 250 with what it printed as text, or what to report. */
must_check struct status command_run(struct delivery *delivery,
	const struct command_plan *plan);

/* The status that an exit status means; output as printed. */
struct status command_status(struct arena *arena, int wait_status,
	const char *what, struct str output);

/* argv of a shell command: direct words if it has none of the shell's own
 * characters and words, else {"/bin/sh", "-c", text}. */
char **command_words(struct arena *arena, struct str text);

/* PATH and what export_environment names, as NAME=value; behind *count of them
 * is room for `room` more. */
struct str *command_environment(struct arena *arena, const struct conf *conf,
	size_t room, size_t *count);
/* The same as a program gets it, ended by NULL. */
char **command_environ(struct arena *arena, const struct conf *conf);

/* Octets outside of `allowed` become '_' (command_expansion_filter). */
struct str command_filter(struct arena *arena, struct str text,
	struct str allowed);

#endif
