/*
 * base/log - how everything says something to the administrator.
 *
 * Lines are one line of text each; control octets become '?'. "%m" is errno.
 * lib/log decides where lines go (ring and postlogd, syslog, a file, stdout);
 * until it has been opened they go to standard error as "name: text".
 * Postfix's severity words (warning:, error:, fatal:, panic:) are added here.
 *
 * Waits    no
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

#include <stdarg.h>

enum log_level {
	LOG_LEVEL_DEBUG, /* only when verbose */
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_FATAL,
	LOG_LEVEL_PANIC,
};

void log_info(const char *format, ...) printf_like(1, 2);
void log_warning(const char *format, ...) printf_like(1, 2);
void log_error(const char *format, ...) printf_like(1, 2);
/* At a level that is a value; nothing ends, whatever it is. */
void log_at(enum log_level level, const char *format, ...) printf_like(2, 3);
/* Only written after log_verbose(true). */
void log_debug(const char *format, ...) printf_like(1, 2);
/* Logs and ends the process with exit status 1, or what was set. */
_Noreturn void log_fatal(const char *format, ...) printf_like(1, 2);
/* The status of log_fatal and starved: sendmail's is EX_TEMPFAIL. */
void log_fatal_status(int status);

/* Name of the program in lines that go to standard error. */
void log_name(const char *name);
void log_verbose(bool on);
/*
 * Where lines go from now on (lib/log). `line` has its severity word and no
 * line end.
 */
void log_sink(void (*sink)(enum log_level level, struct str line));

#endif
