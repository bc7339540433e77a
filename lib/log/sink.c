#include "log/sink.h"

#include "base/span.h"
#include "log/line.h"
#include "log/ring.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Where this process logs; set once, when it starts. */
static struct {
	struct log_ring *ring;
	int wake_fd;
	int64_t pid;
	int socket, facility; /* datagrams of log_syslog_format */
	int file;             /* instead of the socket */
	char tag[RING_TAG_MOST + 1];
	bool quiet, only_wrong;
} sink = { .wake_fd = -1, .socket = -1, .file = -1 };

static void put_in_ring(enum log_level level, struct str line)
{
	log_ring_put(sink.ring, sink.wake_fd, level, sink.pid, line);
}

bool log_file_is_allowed(struct str file, struct str prefixes)
{
	struct str prefix;

	while (str_take_item(&prefixes, ", \t\r\n", &prefix)) {
		struct str rest = file;

		while (prefix.len > 1 && prefix.p[prefix.len - 1] == '/')
			prefix.len--;
		if (str_take_prefix(&rest, prefix) && (rest.len == 0 ||
			rest.p[0] == '/' || str_is(prefix, "/")))
			return true;
	}
	return file.len == 0;
}

bool log_to_ring(int ring_fd, int wake_fd, struct str tag)
{
	auto_close int fd = ring_fd;
	struct log_ring *ring = log_ring_map(fd);

	if (!ring) {
		close(wake_fd);
		return false;
	}
	log_ring_tag(ring, tag);
	sink.ring = ring;
	sink.wake_fd = wake_fd;
	sink.pid = getpid();
	log_sink(put_in_ring);
	return true;
}

int log_forked(void)
{
	sink.pid = getpid();
	return sink.wake_fd;
}

/* One write: other processes append to it, too. */
static void append_line(struct str line)
{
	struct buf out = { .limit = 2 * RING_LINE_MOST };
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) < 0)
		snprintf(host, sizeof(host), "localhost");
	host[strcspn(host, ".")] = '\0';
	log_line_format(&out, wall_us(), host, str_from(sink.tag), getpid(),
		line);
	if (write(sink.file, out.p, out.len) < 0) {
		close(sink.file);
		sink.file = -1;
	}
	buf_free(&out);
}

static void send_datagram(enum log_level level, struct str line)
{
	const char *name = strrchr(sink.tag, '/');
	struct buf out = { .limit = 2 * RING_LINE_MOST };

	if (!sink.quiet && !(sink.only_wrong && level == LOG_LEVEL_INFO))
		dprintf(STDERR_FILENO, "%s: %.*s\n",
			name ? name + 1 : sink.tag, STR_ARG(line));
	if (sink.socket >= 0) {
		log_syslog_format(&out, sink.facility, level, wall_us(),
			str_from(sink.tag), getpid(), line);
		send(sink.socket, out.p, out.len, MSG_NOSIGNAL);
		buf_free(&out);
	} else if (sink.file >= 0) {
		append_line(line);
	}
}

static int connect_datagram(struct str path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = -1;

	if (path.len == 0 || path.len >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path.p, path.len);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
			sizeof(address)) < 0)
		return -1;
	return fd_keep(&fd);
}

/* One that is there: who makes it decides whose it is. */
static int open_file(const struct log_system *system)
{
	char path[4096];
	struct stat st;
	auto_close int fd = -1;

	if (!str_starts(system->maillog_file, STR("/")) ||
		system->maillog_file.len >= sizeof(path) ||
		!log_file_is_allowed(system->maillog_file,
			system->file_prefixes))
		return -1;
	memcpy(path, system->maillog_file.p, system->maillog_file.len);
	path[system->maillog_file.len] = '\0';
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
		O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return fd_keep(&fd);
}

void log_to_system(const struct log_system *system)
{
	struct str tag = str_first(system->tag, RING_TAG_MOST);

	memcpy(sink.tag, tag.p, tag.len);
	sink.tag[tag.len] = '\0';
	sink.facility = log_facility_parse(system->facility);
	if (sink.facility < 0)
		sink.facility = log_facility_parse(STR("mail"));
	sink.socket = connect_datagram(system->maillog_file.len ?
			system->postlog_socket :
			STR("/dev/log"));
	if (sink.socket < 0)
		sink.file = open_file(system);
	sink.quiet = system->quiet;
	sink.only_wrong = system->only_wrong;
	log_sink(send_datagram);
}
