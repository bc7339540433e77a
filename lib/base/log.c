#include "base/log.h"

#include "base/base.h"
#include "base/print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LINE_MOST = 4096,
};

static void (*current_sink)(enum log_level level, struct str line);
static const char *program = "posthorn";
static bool verbose;
static int fatal_status = 1;

static const char *const words[] = {
	[LOG_LEVEL_DEBUG] = "",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_WARNING] = "warning: ",
	[LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_FATAL] = "fatal: ",
	[LOG_LEVEL_PANIC] = "panic: ",
};

void log_name(const char *name)
{
	program = name;
}

void log_verbose(bool on)
{
	verbose = on;
}

void log_fatal_status(int status)
{
	fatal_status = status;
}

void log_sink(void (*sink)(enum log_level level, struct str line))
{
	current_sink = sink;
}

static void write_line(enum log_level level, const char *format, va_list args)
	printf_like(2, 0);
static void write_line(enum log_level level, const char *format, va_list args)
{
	char line[LINE_MOST] left_as_is;
	int saved = errno;
	size_t len = strlen(words[level]);
	int more;

	memcpy(line, words[level], len);
	more = print_v(line + len, sizeof(line) - len, format, args);
	if (more > 0)
		len += (size_t)more;
	if (len >= sizeof(line))
		len = sizeof(line) - 1;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	if (current_sink)
		current_sink(level, str_of(line, len));
	else
		dprintf(STDERR_FILENO, "%s: %.*s\n", program, (int)len, line);
	errno = saved;
}

#define WRITE(level)                                                           \
	do {                                                                   \
		va_list args;                                                  \
                                                                               \
		va_start(args, format);                                        \
		write_line(level, format, args);                               \
		va_end(args);                                                  \
	} while (0)

void log_info(const char *format, ...)
{
	WRITE(LOG_LEVEL_INFO);
}

void log_warning(const char *format, ...)
{
	WRITE(LOG_LEVEL_WARNING);
}

void log_error(const char *format, ...)
{
	WRITE(LOG_LEVEL_ERROR);
}

void log_at(enum log_level level, const char *format, ...)
{
	WRITE(level);
}

void log_debug(const char *format, ...)
{
	if (verbose)
		WRITE(LOG_LEVEL_DEBUG);
}

void log_fatal(const char *format, ...)
{
	WRITE(LOG_LEVEL_FATAL);
	exit(fatal_status);
}

void starved(const char *format, ...)
{
	WRITE(LOG_LEVEL_FATAL);
	_exit(fatal_status);
}

void panic(const char *format, ...)
{
	WRITE(LOG_LEVEL_PANIC);
	abort();
}
