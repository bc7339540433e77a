/*
 * spawn - runs a program for each client, which is its standard input, output
 * and error: the inetd of policy servers and the like.
 *
 * Room       the user that the row's user= names, from the start on; not root,
 *            not the mail system's own; NO_NEW_PRIVS, refused system calls;
 *            no shell
 * Gets       clients of the row's socket, of whom it reads nothing itself
 * Calls      nobody
 */
#include "agent/command.h"
#include "agent/run_as.h"
#include "base/log.h"
#include "service/service.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static const enum param params[] = { command_time_limit, export_environment,
	mail_owner, PARAMS_END };

/* What the row says; set before the sandbox closes. */
static struct {
	char *const *args;
	char *const *words; /* argv=, ended by NULL */
	struct run_as as;
} own;

/* NULL, or what is wrong. */
static const char *read_row(struct arena *arena, struct run_as_names *user)
{
	char *const *args = own.args + optind;

	for (; *args; args++) {
		struct str text = str_from(*args);
		const char *wrong;

		if (str_starts(text, STR("argv=")))
			return run_as_words(arena, args, &own.words);
		if (!str_take_prefix(&text, STR("user=")))
			return arena_fmt(arena, "unknown attribute: %s",
				*args).p;
		wrong = run_as_parse(arena, text, user);
		if (wrong)
			return wrong;
	}
	return "argv= is missing";
}

static void prepare(const struct conf *conf)
{
	struct run_as_names user = { 0 };
	const char *wrong = read_row(arena_new(0), &user); /* of the process */

	if (!wrong && !user.name)
		wrong = "user= is missing";
	if (wrong)
		log_fatal("%s", wrong);
	run_as_find(conf, user, &own.as);
}

static void start(const struct conf *conf)
{
	(void)conf;
	if (own.as.is_misplaced)
		run_as_warn(&own.as, "clients are sent away");
	else
		run_as_become(&own.as);
}

static void tell_of_end(int status, bool late)
{
	const char *what = own.words[0];

	if (late)
		log_warning("command %s: killed, it ran longer than "
			"%.*s_time_limit", what, STR_ARG(service_row()));
	else if (WIFSIGNALED(status))
		log_warning("command %s killed by signal %d", what,
			WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		log_warning("command %s exit status %d", what,
			WEXITSTATUS(status));
}

/* A program expects its reads to wait. */
static bool make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

static void session(const struct conf *conf, struct client *client)
{
	const struct program_plan plan = {
		.argv = own.words,
		.environment = command_environ(client->arena, conf),
		.sys_uid = own.as.sys_uid,
		.sys_gid = own.as.sys_gid,
		.what = own.words[0],
	};
	struct moment limit = moment_after(
		conf_transport_span(conf, service_row(), "time_limit"));
	int fd = stream_fd(client->io), status;
	struct program program;
	bool late;

	if (own.as.is_misplaced)
		return;
	if (!make_blocking(fd) || !program_start(&program, &plan, fd, fd)) {
		log_warning("command %s: cannot be started: %m", plan.what);
		return;
	}
	status = program_end(&program, limit, &late);
	tell_of_end(status, late);
}

static const struct service service = {
	.name = "spawn",
	.fibers = 20,
	.profile = PROFILE_DELIVER,
	.calls = "",
	.params = params,
	.prepare = prepare,
	.start = start,
	.session = session,
};

int main(int argc, char **argv)
{
	own.args = argv;
	return service_main(&service, argc, argv);
}
