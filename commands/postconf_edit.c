#include "commands/postconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "config/file.h"
#include "config/main_cf.h"
#include "config/source.h"

/* ---- files ---- */

static const char *path_of(struct postconf *p, const char *name)
{
	return arena_fmt(p->arena, "%.*s/%s",
		STR_ARG(p->conf->config_directory), name)
		.p;
}

struct str read_file_of(struct postconf *p, const char *name)
{
	struct str text;

	if (!file_read(p->arena, path_of(p, name), &text))
		log_fatal("open %s: %m", path_of(p, name));
	return text;
}

/* Owner and mode as they are; without root the owner may stay ours. */
static bool take_over(int fd, const struct stat *st)
{
	if (fchown(fd, st->st_uid, st->st_gid) < 0 && geteuid() == 0)
		return false;
	return fchmod(fd, st->st_mode & 07777) == 0;
}

static void sync_directory(struct postconf *p)
{
	auto_close int fd = open(path_of(p, ""), O_RDONLY | O_DIRECTORY |
		O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

void write_file_of(struct postconf *p, const char *name, struct str text)
{
	const char *path = path_of(p, name);
	const char *temporary = arena_fmt(p->arena, "%s.tmp", path).p;
	auto_close int fd = -1;
	struct stat st;

	if (stat(path, &st) < 0)
		log_fatal("open %s: %m", path);
	unlink(temporary); /* of one that was interrupted */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		log_fatal("open %s: %m", temporary);
	if (!fd_write_all(fd, text.p, text.len) || !take_over(fd, &st) ||
		fsync(fd) < 0 ||
		rename(temporary, path) < 0) {
		int error = errno;

		unlink(temporary);
		errno = error;
		log_fatal("write %s: %m", path);
	}
	sync_directory(p);
}

/* ---- main.cf ---- */

struct change {
	struct str name, value;
	bool seen;
};

struct changes {
	struct table *by_name;
	struct change *all;
	size_t count;
};

static void check_name(struct str name)
{
	if (name.len == 0)
		log_fatal("missing attribute name");
	if (name.p[0] == '#')
		log_fatal("-e, -X, or -# accepts no comment input");
	for (size_t i = 0; i < name.len; i++)
		if (ascii_is_blank((unsigned char)name.p[i]) ||
			name.p[i] == '#' || name.p[i] == '=')
			log_fatal("\"%.*s\": not a parameter name",
				STR_ARG(name));
}

static struct change change_of(struct postconf *p, const char *argument)
{
	struct change change = { 0 };

	if (strchr(argument, '\n'))
		log_fatal("-e, -X or -# accepts no multi-line input");
	if (p->edit != EDIT_SET) {
		change.name = str_trim(str_from(argument));
		if (strchr(argument, '='))
			log_fatal("-X or -# requires names without value");
	} else if (main_cf_parse(str_trim(str_from(argument)), &change.name,
			   &change.value) != MAIN_CF_FINE) {
		log_fatal("%s: \"%s\"", strchr(argument, '=') ?
			"missing attribute name" :
			"missing '=' after attribute name", argument);
	}
	check_name(change.name);
	return change;
}

static void read_changes(struct postconf *p, char **arguments,
	struct changes *changes)
{
	size_t count = 0;

	while (arguments[count])
		count++;
	if (count == 0)
		log_fatal("%s", p->edit == EDIT_SET ?
			"-e requires name=value argument" :
			"missing service argument");
	changes->by_name = table_new();
	changes->all = arena_array(p->arena, count, sizeof(*changes->all));
	for (changes->count = 0; changes->count < count; changes->count++) {
		struct change *at = &changes->all[changes->count];

		*at = change_of(p, arguments[changes->count]);
		table_put(changes->by_name, at->name, at);
	}
}

static bool is_aside(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static struct change *find_change(struct changes *changes, struct str line)
{
	return table_find(changes->by_name,
		str_trim(str_take_until(&line, '=')));
}

static void put_line(struct buf *out, struct str line)
{
	buf_add(out, line);
	buf_char(out, '\n');
}

/* The first line of an entry that is to be changed. */
static void put_changed(struct postconf *p, struct buf *out,
	struct change *change, struct str line)
{
	if (change->seen)
		log_warning("%.*s: multiple entries for \"%.*s\"",
			STR_ARG(p->conf->source->file), STR_ARG(change->name));
	change->seen = true;
	if (p->edit == EDIT_SET) {
		buf_fmt(out, "%.*s = %.*s\n", STR_ARG(change->name),
			STR_ARG(change->value));
	} else if (p->edit == EDIT_COMMENT) {
		buf_char(out, '#');
		put_line(out, line);
	}
}

static void change_text(struct postconf *p, struct changes *changes,
	struct str text, struct buf *out)
{
	struct change *now = NULL; /* of the entry that we are in */
	struct str line;

	while (str_take_line(&text, &line)) {
		bool continues = line.len > 0 &&
			ascii_is_blank((unsigned char)line.p[0]);

		if (is_aside(line)) {
			put_line(out, line);
			continue;
		}
		if (!continues) {
			now = find_change(changes, line);
			if (now)
				put_changed(p, out, now, line);
		} else if (now && p->edit == EDIT_COMMENT) {
			buf_char(out, '#');
			put_line(out, line);
		}
		if (!now)
			put_line(out, line);
	}
}

void edit_parameters(struct postconf *p, char **arguments)
{
	struct changes changes;
	struct buf out = BUF_IN(p->arena);

	read_changes(p, arguments, &changes);
	change_text(p, &changes, read_file_of(p, "main.cf"), &out);
	for (size_t i = 0; p->edit == EDIT_SET && i < changes.count; i++) {
		struct change *at = &changes.all[i];

		if (!at->seen && table_find(changes.by_name, at->name) == at)
			buf_fmt(&out, "%.*s = %.*s\n", STR_ARG(at->name),
				STR_ARG(at->value));
	}
	write_file_of(p, "main.cf", buf_str(&out));
	table_free(changes.by_name);
}
