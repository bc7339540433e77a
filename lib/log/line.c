#include "log/line.h"

#include <syslog.h>
#include <time.h>

static const int severities[] = {
	[LOG_LEVEL_DEBUG] = LOG_INFO,
	[LOG_LEVEL_INFO] = LOG_INFO,
	[LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_FATAL] = LOG_CRIT,
	[LOG_LEVEL_PANIC] = LOG_CRIT,
};

static const struct {
	const char *name;
	int number;
} facilities[] = {
	{ "auth", LOG_AUTH },     { "authpriv", LOG_AUTHPRIV },
	{ "cron", LOG_CRON },     { "daemon", LOG_DAEMON },
	{ "ftp", LOG_FTP },       { "kern", LOG_KERN },
	{ "lpr", LOG_LPR },       { "mail", LOG_MAIL },
	{ "news", LOG_NEWS },     { "syslog", LOG_SYSLOG },
	{ "user", LOG_USER },     { "uucp", LOG_UUCP },
	{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

int log_facility_parse(struct str name)
{
	for (size_t i = 0; i < COUNT(facilities); i++)
		if (str_is_nocase(name, facilities[i].name))
			return facilities[i].number;
	return -1;
}

static const char months[][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
};

static void format_time(struct buf *out, int64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	buf_fmt(out, "%s %2d %02d:%02d:%02d", months[tm.tm_mon % 12],
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void log_line_format(struct buf *out, int64_t wall_us, const char *host,
	struct str tag, int64_t pid, struct str text)
{
	format_time(out, wall_us);
	buf_fmt(out, " %s %.*s[%lld]: ", host, STR_ARG(tag), (long long)pid);
	buf_add(out, text);
	buf_char(out, '\n');
}

void log_syslog_format(struct buf *out, int facility, enum log_level level,
	int64_t wall_us, struct str tag, int64_t pid, struct str text)
{
	buf_fmt(out, "<%d>", facility | severities[level]);
	format_time(out, wall_us);
	buf_fmt(out, " %.*s[%lld]: ", STR_ARG(tag), (long long)pid);
	buf_add(out, text);
}
