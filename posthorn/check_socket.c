/*
 * posthorn/check_socket - do the servers answer at whose sockets main.cf and
 * master.cf point, and may we connect to them?
 */
#include "posthorn/check_outside.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whoever connects for all other daemons. */
static const char dialer[] = "posthorn-net";

/* A service of ours: it listens when the suite runs. */
static bool is_own(const struct outside *o, struct str path)
{
	return (str_take_prefix(&path, STR("private/")) ||
		       str_take_prefix(&path, STR("public/"))) &&
		master_cf_find(o->cf, path, MASTER_CF_UNIX);
}

/* 0 or errno. */
static int try_connect(const struct sockaddr_un *address)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)address,
			      sizeof(*address)) < 0)
		return errno;
	return 0;
}

/* The same as dialer does it: its groups and the folders on the way count. */
static int try_as_dialer(const struct sockaddr_un *address)
{
	const struct passwd *account = getpwnam(dialer);
	pid_t child = account && geteuid() == 0 ? fork() : -1;
	int status;

	if (child < 0)
		return 0;
	if (child == 0)
		_exit(initgroups(dialer, account->pw_gid) < 0 ||
				setresgid(account->pw_gid, account->pw_gid,
					account->pw_gid) < 0 ||
				setresuid(account->pw_uid, account->pw_uid,
					account->pw_uid) < 0 ?
			0 : try_connect(address));
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 0;
	return WEXITSTATUS(status);
}

void check_socket(struct outside *o, struct str path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct str queue = str_starts(path, STR("/")) ? STR("") :
		o->line->conf->queue_directory;
	int len, error;

	if (is_own(o, path))
		return;
	len = snprintf(address.sun_path, sizeof(address.sun_path),
		"%.*s%s%.*s", STR_ARG(queue), queue.len ? "/" : "",
		STR_ARG(path));
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(address.sun_path)) {
		SAY(o, error, "unix:%.*s is too long for a socket",
			STR_ARG(path));
		return;
	}
	error = try_connect(&address);
	if (error && error != EACCES)
		SAY(o, warning, "nobody answers at unix:%s (%s): start its "
			"server, or correct the path", address.sun_path,
			strerror(error));
	else if (!error && try_as_dialer(&address) == EACCES)
		SAY(o, warning, "unix:%s is not open to %s, which connects "
			"for all daemons: add it to the group of the socket "
			"and its folder, or have the server make the socket "
			"with mode 0666", address.sun_path, dialer);
}
