/*
 * queue/ask - how commands ask the running suite: lines on public/qmgr and
 * public/showq.
 *
 * Waits    all (the process; for commands only)
 */
#ifndef QUEUE_ASK_H
#define QUEUE_ASK_H

#include <stdio.h>

#include "config/config.h"

/* Connected to the socket of this service in public/, or NULL with errno
 * (ECONNREFUSED, ENOENT: the suite is down). */
FILE *ask_open(const struct conf *conf, const char *name);
/* One request line (without its end). False: the suite has gone. */
must_check bool ask_send(FILE *ask, struct str request);
/* One answer line without its end, in the arena; false at the end. */
must_check bool ask_line(FILE *ask, struct arena *arena, struct str *line);

#endif
