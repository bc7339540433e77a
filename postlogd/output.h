/*
 * postlogd/output - where lines end: /dev/log, a file, or standard output.
 *
 * Waits    no; a file that was renamed or removed is opened again within a
 *          second of the next line
 */
#ifndef POSTLOGD_OUTPUT_H
#define POSTLOGD_OUTPUT_H

#include "base/log.h"
#include "base/span.h"
#include "config/config.h"

struct output {
	int fd;        /* -1: nothing is there now, lines are dropped */
	bool syslog;   /* /dev/log */
	bool standard; /* standard output: never opened again */
	char path[4096];
	int mode; /* of a new file */
	int facility;
	char host[256];
	struct moment looked;
};

struct output_line {
	enum log_level level;
	int64_t wall_us;
	size_t order; /* among equal times */
	struct str tag;
	int64_t pid;
	struct str text;
};

/* Before the sandbox closes; a file that cannot be opened ends the process. */
void output_open(struct output *output, const struct conf *conf);
void output_lines(struct output *output, const struct output_line *lines,
	size_t count);
/* The file was renamed: open the new one, and say so in it. */
void output_rotate(struct output *output, struct str tag);
/* A line in the form of /dev/log, from a command: untrusted. */
void output_datagram(struct output *output, struct str datagram);

#endif
