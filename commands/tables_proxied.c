#include "commands/tables_proxied.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "service/programs.h"

enum { STEP = 1 << 16 };

bool proxied_is(struct str element, struct str *table)
{
	*table = element;
	return str_take_prefix(table, STR("proxy:"));
}

static int connect_to(struct str path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (path.len >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path.p, path.len);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
			      sizeof(address)) < 0)
		return -1;
	return fd_keep(&fd);
}

static bool send_all(int fd, struct str text)
{
	while (text.len > 0) {
		ssize_t sent = send(fd, text.p, text.len, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		text = str_skip(text, (size_t)sent);
	}
	return shutdown(fd, SHUT_WR) == 0;
}

/* Up to the end of the connection, or an error. */
static struct str receive_all(struct arena *arena, int fd)
{
	struct buf in = BUF_IN(arena);
	ssize_t got = 1;

	in.limit = CHANGE_REQUEST_MOST;
	while (got > 0 && buf_room(&in, STEP)) {
		got = recv(fd, in.p + in.len, STEP, 0);
		if (got > 0)
			in.len += (size_t)got;
	}
	return buf_str(&in);
}

struct str proxied_send(struct arena *arena, const struct conf *conf,
	struct buf *request)
{
	struct str row = service_named(conf, STR("proxywrite")), answer;
	struct str path = arena_fmt(arena, "%.*s/private/%.*s",
		STR_ARG(conf->queue_directory), STR_ARG(row));
	auto_close int fd = connect_to(path);

	if (request->failed)
		log_fatal("too many changes at once");
	if (fd < 0)
		log_fatal("connect to %.*s: %m", STR_ARG(path));
	if (!send_all(fd, buf_str(request)))
		log_fatal("write to %.*s: %m", STR_ARG(path));
	buf_free(request);
	answer = receive_all(arena, fd);
	if (!str_ends(answer, STR("\n")))
		log_fatal("%.*s gave no answer: see the log", STR_ARG(path));
	answer = str_first(answer, answer.len - 1);
	if (str_take_prefix(&answer, STR("OK ")))
		return answer;
	(void)str_take_prefix(&answer, STR("FAILED "));
	log_fatal("%.*s: %.*s", STR_ARG(row), STR_ARG(answer));
}
