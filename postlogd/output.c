#include "postlogd/output.h"

#include "base/buf.h"
#include "log/line.h"
#include "log/sink.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	LOOK_MS = 1000,
	FILE_MODE = 0600,
};

static int connect_syslog(void)
{
	const struct sockaddr_un address = {
		.sun_family = AF_UNIX,
		.sun_path = "/dev/log",
	};
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
			sizeof(address)) < 0)
		return -1;
	return fd_keep(&fd);
}

static int open_file(const struct output *output)
{
	return open(output->path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		output->mode);
}

/* Root makes the file; the user that this process becomes writes it. */
static void give_away(const struct output *output)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return;
	user = getpwnam("posthorn-log");
	if (user && fchown(output->fd, user->pw_uid, (gid_t)-1) < 0)
		log_warning("%s: chown: %m", output->path);
}

static void allow_folder(const char *path)
{
	char folder[4096];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
	sandbox_allow('w', folder[0] ? folder : "/");
}

static int mode_of(struct str text)
{
	int mode = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '7' || i == 5)
			return FILE_MODE;
		mode = mode * 8 + (text.p[i] - '0');
	}
	return mode ? mode & 0666 : FILE_MODE;
}

static void set_host(struct output *output)
{
	char *dot;

	if (gethostname(output->host, sizeof(output->host) - 1) < 0)
		snprintf(output->host, sizeof(output->host), "localhost");
	dot = strchr(output->host, '.');
	if (dot)
		*dot = '\0';
}

void output_open(struct output *output, const struct conf *conf)
{
	*output = (struct output){ .fd = -1 };
	output->facility = log_facility_parse(conf->syslog_facility);
	output->mode = mode_of(conf->maillog_file_permissions);
	set_host(output);
	if (conf->maillog_file.len == 0) {
		output->syslog = true;
		output->fd = connect_syslog();
		return;
	}
	if (!log_file_is_allowed(conf->maillog_file,
		    conf->maillog_file_prefixes))
		log_fatal("maillog_file %.*s is not below any of "
			"maillog_file_prefixes: %.*s",
			STR_ARG(conf->maillog_file),
			STR_ARG(conf->maillog_file_prefixes));
	if ((size_t)snprintf(output->path, sizeof(output->path), "%.*s",
		    STR_ARG(conf->maillog_file)) >= sizeof(output->path))
		log_fatal("maillog_file: the path is too long");
	if (strcmp(output->path, "/dev/stdout") == 0) {
		output->standard = true;
		output->fd = STDOUT_FILENO;
		return;
	}
	output->fd = open_file(output);
	if (output->fd < 0)
		log_fatal("open log file %s: %m", output->path);
	give_away(output);
	allow_folder(output->path);
}

/* False: the open file is not the one of that name any more. */
static bool is_current(const struct output *output)
{
	struct stat named, have;

	return output->fd >= 0 && stat(output->path, &named) == 0 &&
		fstat(output->fd, &have) == 0 &&
		named.st_ino == have.st_ino && named.st_dev == have.st_dev;
}

static void look_again(struct output *output)
{
	struct moment now = moment_now();
	int fd;

	if (output->standard ||
		moment_between(output->looked, now).us < LOOK_MS * 1000)
		return;
	output->looked = now;
	if (output->syslog ? output->fd >= 0 : is_current(output))
		return;
	fd = output->syslog ? connect_syslog() : open_file(output);
	if (fd < 0)
		return; /* the old file, if any, still takes lines */
	if (output->fd >= 0)
		close(output->fd);
	output->fd = fd;
}

static void write_all(int fd, struct str octets)
{
	while (octets.len > 0) {
		ssize_t len = write(fd, octets.p, octets.len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return; /* a full disk loses lines, not mail */
		octets = str_skip(octets, (size_t)len);
	}
}

static void send_syslog(struct output *output, struct str datagram)
{
	if (output->fd < 0)
		return;
	if (send(output->fd, datagram.p, datagram.len, MSG_NOSIGNAL) >= 0)
		return;
	if (errno == EMSGSIZE || errno == EINTR)
		return;
	close(output->fd); /* syslogd was restarted */
	output->fd = connect_syslog();
	if (output->fd >= 0)
		send(output->fd, datagram.p, datagram.len, MSG_NOSIGNAL);
}

void output_lines(struct output *output, const struct output_line *lines,
	size_t count)
{
	auto_buf struct buf out = { 0 };

	look_again(output);
	for (size_t i = 0; i < count; i++) {
		const struct output_line *line = &lines[i];

		if (!output->syslog) {
			log_line_format(&out, line->wall_us, output->host,
				line->tag, line->pid, line->text);
			continue;
		}
		buf_clear(&out);
		log_syslog_format(&out, output->facility, line->level,
			line->wall_us, line->tag, line->pid, line->text);
		send_syslog(output, buf_str(&out));
	}
	if (!output->syslog && output->fd >= 0)
		write_all(output->fd, buf_str(&out));
}

void output_rotate(struct output *output, struct str tag)
{
	const struct output_line line = {
		.level = LOG_LEVEL_INFO,
		.wall_us = wall_us(),
		.tag = tag,
		.pid = getpid(),
		.text = STR("a new log file begins"),
	};

	output->looked = (struct moment){ 0 };
	output_lines(output, &line, 1);
}

/* "<22>Jan  2 03:04:05 " in front; what follows is "tag[pid]: text". */
static bool skip_header(struct str *line)
{
	uint64_t priority;

	if (!str_take_char(line, '<') || !str_take_u64(line, 1023, &priority) ||
		!str_take_char(line, '>') || line->len < 16)
		return false;
	*line = str_skip(*line, 16);
	return true;
}

void output_datagram(struct output *output, struct str datagram)
{
	auto_buf struct buf out = { 0 };
	struct str text = datagram;

	look_again(output);
	if (output->syslog) {
		send_syslog(output, datagram);
		return;
	}
	if (output->fd < 0 || !skip_header(&text))
		return;
	buf_add(&out, str_skip(str_first(datagram, datagram.len - text.len),
			      datagram.len - text.len - 16));
	buf_fmt(&out, "%s ", output->host);
	buf_add(&out, text);
	for (size_t i = 0; i < out.len; i++)
		if ((unsigned char)out.p[i] < 0x20)
			out.p[i] = '?';
	buf_char(&out, '\n');
	write_all(output->fd, buf_str(&out));
}
