/*
 * postkick - sends a request to a service of the suite.
 *
 * Room       the caller's own privileges
 * Calls      qmgr on public/qmgr; else any socket or FIFO in public/ or
 *            private/
 */
#include "base/log.h"
#include "queue/ask.h"
#include "service/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const struct command command = {
	"postkick",
	"[-c config_dir] [-v] class service request",
};

static _Noreturn void unreachable(const char *class, const char *service)
{
	log_warning("Cannot contact class %s service %s - perhaps the mail "
		"system is down", class, service);
	exit(1);
}

/* What Postfix's qmgr does on a request of letters: A and D try all deferred
 * mail again, F forgets destinations that are down, I and W look for new mail
 * (which is never missed here). */
static void kick_qmgr(const struct conf *conf, const char *request)
{
	auto_arena struct arena *arena = arena_new(0);
	FILE *ask;
	struct str line;

	ask = ask_open(conf, "qmgr");
	if (!ask)
		unreachable("public", "qmgr");
	if (!strpbrk(request, "ADF"))
		return;
	if (!ask_send(ask, STR("flush")))
		unreachable("public", "qmgr");
	while (ask_line(ask, arena, &line) && !str_is(line, "."))
		if (line.len && line.p[0] == '-')
			log_fatal("qmgr: %.*s", STR_ARG(str_skip(line, 1)));
}

/* It sees what is left in maildrop/ by itself. */
static void kick_pickup(const struct conf *conf)
{
	FILE *ask = ask_open(conf, "showq"); /* of those who run, like pickup */

	if (!ask)
		unreachable("public", "pickup");
	fclose(ask);
}

/* The path of a service's socket or FIFO. */
static const char *find_service(struct arena *arena, const struct conf *conf,
	const char *class, const char *service, mode_t *kind)
{
	const char *path = arena_cstr(arena, arena_fmt(arena, "%.*s/%s/%s",
		STR_ARG(conf->queue_directory), class, service));
	struct stat st;

	if (stat(path, &st) < 0) {
		log_warning("unable to look up %s/%s: %m", class, service);
		unreachable(class, service);
	}
	*kind = st.st_mode & S_IFMT;
	return path;
}

/* Nobody who reads it: ENXIO. */
static int open_fifo(const char *path)
{
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static int open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address,
			       sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* A program of somebody's own, or a daemon that wants to be woken up. */
static void kick_other(const struct conf *conf, const char *class,
	const char *service, const char *request)
{
	auto_arena struct arena *arena = arena_new(0);
	auto_close int fd = -1;
	mode_t kind;
	const char *path = find_service(arena, conf, class, service, &kind);

	if (kind == S_IFIFO)
		fd = open_fifo(path);
	else if (kind == S_IFSOCK)
		fd = open_socket(path);
	else
		log_warning("%s/%s is not a socket or a fifo", class, service);
	if (fd < 0 && kind == S_IFSOCK)
		log_warning("connect to %s/%s: %m", class, service);
	if (fd < 0)
		unreachable(class, service);
	/* A socket's request ends with a NUL, a fifo's with the write. */
	if (!fd_write_all(fd, request,
			  strlen(request) + (kind == S_IFSOCK)))
		log_fatal("write to %s/%s: %m", class, service);
}

int main(int argc, char **argv)
{
	const char *directory = NULL;
	const struct conf *conf;
	bool is_public;
	int letter;

	command_begin(&command, argc, argv);
	while ((letter = getopt(argc, argv, "c:v")) >= 0) {
		if (letter == 'c')
			directory = optarg;
		else if (letter == 'v')
			log_verbose(true);
		else
			command_usage(&command);
	}
	if (argc - optind != 3)
		command_usage(&command);
	argv += optind;
	conf = command_conf(arena_new(0), directory);
	is_public = strcmp(argv[0], "public") == 0;
	if (is_public && strcmp(argv[1], "qmgr") == 0)
		kick_qmgr(conf, argv[2]);
	else if (is_public && strcmp(argv[1], "pickup") == 0)
		kick_pickup(conf);
	else
		kick_other(conf, argv[0], argv[1], argv[2]);
	return 0;
}
