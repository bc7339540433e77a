/*
 * postkick - sends a request to a service of the suite.
 *
 * Room       the caller's own privileges
 * Calls      qmgr on public/qmgr; else any socket that a row of master.cf has
 *            in public/ or private/
 */
#include "base/log.h"
#include "queue/ask.h"
#include "service/command.h"

#include <stdlib.h>
#include <sys/socket.h>
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

/* A program of somebody's own, or a daemon that wants to be woken up. */
static void kick_socket(const struct conf *conf, const char *class,
	const char *service, const char *request)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(address.sun_path, sizeof(address.sun_path),
		"%.*s/%s/%s", STR_ARG(conf->queue_directory), class, service);

	if (fd < 0 || len < 0 || (size_t)len >= sizeof(address.sun_path))
		log_fatal("%s/%s: the name is too long", class, service);
	if (connect(fd, (const struct sockaddr *)&address,
		    sizeof(address)) < 0) {
		log_warning("connect to %s/%s: %m", class, service);
		unreachable(class, service);
	}
	if (!fd_write_all(fd, request, strlen(request)))
		log_fatal("write to %s/%s: %m", class, service);
}

int main(int argc, char **argv)
{
	const char *directory = NULL;
	const struct conf *conf;
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
	if (strcmp(argv[0], "public") != 0 && strcmp(argv[0], "private") != 0)
		log_fatal("class must be public or private: %s", argv[0]);
	if (argv[1][0] == '\0' || strchr(argv[1], '/'))
		log_fatal("bad service name: %s", argv[1]);
	conf = command_conf(arena_new(0), directory);
	if (strcmp(argv[1], "qmgr") == 0)
		kick_qmgr(conf, argv[2]);
	else if (strcmp(argv[1], "pickup") == 0)
		kick_pickup(conf);
	else
		kick_socket(conf, argv[0], argv[1], argv[2]);
	return 0;
}
