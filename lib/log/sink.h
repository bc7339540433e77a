/*
 * log/sink - where the lines of log_info() and the others go.
 *
 * Waits    no (a full ring: see log/ring.h)
 */
#ifndef LOG_SINK_H
#define LOG_SINK_H

#include "base/str.h"

/*
 * A daemon under master: lines go to its ring. Owns both descriptors. False:
 * not a ring (lines go on to standard error).
 */
bool log_to_ring(int ring_fd, int wake_fd, struct str tag);

/* In a forked child: lines bear its own pid. Gives the descriptor that has to
 * stay open for that, or -1. */
int log_forked(void);

/* maillog_file is one of maillog_file_prefixes, or below one; empty is fine. */
bool log_file_is_allowed(struct str file, struct str prefixes);

/* What a command needs to log where the daemons do. */
struct log_system {
	struct str tag;            /* "postfix/postsuper" */
	struct str facility;       /* syslog_facility */
	struct str maillog_file;   /* empty: lines go to /dev/log */
	struct str postlog_socket; /* else here: public/postlog */
	struct str file_prefixes;  /* maillog_file_prefixes */
	bool quiet;                /* nothing on standard error */
	bool only_wrong;           /* there: no line of LOG_LEVEL_INFO */
};

/*
 * A command: lines go to standard error as "name: text", unless quiet, and
 * to the log. While postlogd does not run, who may write to the log file does
 * so himself; nothing listening there is no error.
 */
void log_to_system(const struct log_system *system);

#endif
