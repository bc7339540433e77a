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

/*
 * A command: lines go to standard error as "name: text", and also to the
 * log: to `postlog_socket` (public/postlog of the instance) when maillog_file
 * is set, else to /dev/log. Tag as in "postfix/postsuper". Nothing listening
 * there is no error.
 */
void log_to_system(struct str tag, struct str maillog_file,
	struct str postlog_socket);
/* The same, without standard error: what postlog and sendmail do. */
void log_to_system_only(struct str tag, struct str maillog_file,
	struct str postlog_socket);

#endif
