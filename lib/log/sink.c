#include "log/sink.h"

#include "base/span.h"
#include "log/line.h"
#include "log/ring.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Where this process logs; set once, when it starts. */
static struct {
	struct log_ring *ring;
	int wake_fd;
	int64_t pid;
	int socket, facility; /* datagrams of log_syslog_format */
	char tag[RING_TAG_MOST + 1];
	bool quiet;
} sink = { .wake_fd = -1, .socket = -1 };

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

static void send_datagram(enum log_level level, struct str line)
{
	const char *name = strrchr(sink.tag, '/');
	struct buf out = { .limit = 2 * RING_LINE_MOST };

	if (!sink.quiet)
		dprintf(STDERR_FILENO, "%s: %.*s\n",
			name ? name + 1 : sink.tag, STR_ARG(line));
	if (sink.socket >= 0) {
		log_syslog_format(&out, sink.facility, level, wall_us(),
			str_from(sink.tag), getpid(), line);
		send(sink.socket, out.p, out.len, MSG_NOSIGNAL);
		buf_free(&out);
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
	sink.quiet = system->quiet;
	log_sink(send_datagram);
}
