#include "commands/smtp_sink.h"

#include "base/log.h"
#include "base/random.h"
#include "mail/date.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	PATH_OCTETS = 1024,
};

struct str dump_unescape(struct arena *arena, struct str text)
{
	static const char letters[] = "abfnrtv\\", meant[] = "\a\b\f\n\r\t\v\\";
	struct buf out = BUF_IN(arena);

	while (text.len) {
		char c = *text.p;
		const char *found;
		unsigned value = 0, digits = 0;

		text = str_skip(text, 1);
		if (c != '\\' || text.len == 0) {
			buf_char(&out, c);
			continue;
		}
		found = *text.p ? strchr(letters, *text.p) : NULL;
		while (digits < 3 && digits < text.len &&
			text.p[digits] >= '0' && text.p[digits] <= '7')
			value = value * 8 + (unsigned)(text.p[digits++] - '0');
		buf_char(&out, digits ? (char)value :
			found	      ? meant[found - letters] :
					*text.p);
		text = str_skip(text, digits ? digits : 1);
	}
	return buf_str(&out);
}

/* All folders in front of the last "/". */
static void make_folders(char *path)
{
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		if (mkdir(path, 0777) < 0 && errno != EEXIST)
			log_fatal("create directory %s: %m", path);
		*at = '/';
	}
}

static char *expand(struct client *c, struct str template)
{
	char *path = arena_alloc(c->mail, PATH_OCTETS);
	time_t now = (time_t)(wall_us() / 1000000);
	struct tm local;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	/* The template is the administrator's, as documented. */
	if (strftime(path, PATH_OCTETS, arena_cstr(c->mail, template),
		    localtime_r(&now, &local)) == 0)
		log_fatal("bad dump template: %.*s", STR_ARG(template));
#pragma GCC diagnostic pop
	return path;
}

static int open_single(struct client *c, const char *id)
{
	char *path = expand(c, c->sink->single);
	struct str whole = arena_fmt(c->mail, "%s%s", path, id);
	const char *name = arena_cstr(c->mail, whole);
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = open(name, flags, 0666);

	if (fd < 0 && errno == ENOENT) {
		make_folders(path);
		fd = open(name, flags, 0666);
	}
	if (fd < 0)
		log_fatal("create %s: %m", name);
	return fd;
}

static int open_multiple(struct client *c)
{
	char *path = expand(c, c->sink->multiple);
	const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
	int fd = open(path, flags, 0666);

	if (fd < 0 && errno == ENOENT) {
		make_folders(path);
		fd = open(path, flags, 0666);
	}
	if (fd < 0)
		log_fatal("open %s: %m", path);
	return fd;
}

static void format_head(struct client *c, const char *id, struct buf *out)
{
	const struct sink *sink = c->sink;

	buf_add(out, sink->start);
	buf_fmt(out, "X-Client-Addr: %.*s\nX-Client-Proto: %.*s\n",
		STR_ARG(c->address), STR_ARG(c->protocol));
	if (!str_is_none(c->helo))
		buf_fmt(out, "X-Helo-Args: %.*s\n", STR_ARG(c->helo));
	buf_fmt(out, "X-Mail-Args: %.*s\n", STR_ARG(c->sender));
	buf_add(out, buf_str(&c->recipients));
	if (str_is_none(c->helo))
		buf_fmt(out, "Received: from %.*s ([%.*s])\n",
			STR_ARG(c->address), STR_ARG(c->address));
	else
		buf_fmt(out, "Received: from %.*s ([%.*s])\n",
			STR_ARG(c->helo), STR_ARG(c->address));
	buf_fmt(out, "\tby %.*s (smtp-sink) with %.*s id %s;\n\t",
		STR_ARG(sink->host), STR_ARG(c->protocol), id);
	mail_date_format(out, wall_us() / 1000000);
	buf_char(out, '\n');
}

bool dump_is_wanted(const struct sink *sink)
{
	return !str_is_none(sink->single) || !str_is_none(sink->multiple);
}

/* In one write, so that messages that end at the same time stay apart. */
void dump_write(struct client *c, struct str content)
{
	struct buf all = { 0 };
	char id[9];
	auto_close int fd = -1;

	snprintf(id, sizeof(id), "%08x",
		(unsigned)random_below((uint64_t)UINT32_MAX + 1));
	fd = str_is_none(c->sink->single) ? open_multiple(c) :
					    open_single(c, id);
	format_head(c, id, &all);
	buf_add(&all, content);
	buf_char(&all, '\n');
	if (!fd_write_all(fd, all.p, all.len))
		log_fatal("write dump file: %m");
	buf_free(&all);
}
