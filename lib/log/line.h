/*
 * log/line - the form of a line in a file and on /dev/log.
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include "base/buf.h"
#include "base/log.h"

/* "Jan  2 03:04:05 host tag[pid]: text\n", local time. */
void log_line_format(struct buf *out, int64_t wall_us, const char *host,
	struct str tag, int64_t pid, struct str text);
/* "<22>Jan  2 03:04:05 tag[pid]: text", as on /dev/log. */
void log_syslog_format(struct buf *out, int facility, enum log_level level,
	int64_t wall_us, struct str tag, int64_t pid, struct str text);
/* LOG_MAIL and the like for "mail" (syslog_facility); -1: no such name. */
int log_facility_parse(struct str name);

#endif
