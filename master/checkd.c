/*
 * checkd - a daemon for master's own test; plays whatever its name says.
 *
 * Room       lines of text from a client, one answer line each
 * Gets       clients of inherited sockets; calls with `anvil` messages, which
 *            it answers with its process id
 * Calls      whom the client names
 */
#include "base/log.h"
#include "service/service.h"

#include "ipc/messages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned kicks;

/* call SERVICE: the process id that answered, or the errno. */
static void call_service(struct client *client, struct str name)
{
	auto_arena struct arena *arena = arena_new(0);
	struct call *call = service_call_str(arena, name, span_s(20));
	struct msg_anvil m = { .verb = STR("connect") };
	struct msg_anvil_counts answer;

	if (!call || !msg_anvil_send(call, &m) ||
		!msg_anvil_counts_recv(call, &answer, span_s(20)))
		io_fmt(client->io, "%s\n", strerrorname_np(errno));
	else
		io_fmt(client->io, "%llu\n",
			(unsigned long long)answer.connections);
}

/* die: by a signal; exit: with a status; end: the call or client only. */
static bool run_line(struct client *client, struct str line)
{
	struct str verb = str_take_word(&line);

	if (str_is(verb, "pid"))
		return io_fmt(client->io, "%d %.*s\n", (int)getpid(),
			STR_ARG(service_row()));
	if (str_is(verb, "kicks"))
		return io_fmt(client->io, "%u\n", kicks);
	if (str_is(verb, "replace")) {
		service_replace();
		return io_text(client->io, "ok\n");
	}
	if (str_is(verb, "call")) {
		call_service(client, line);
		return true;
	}
	if (str_is(verb, "die"))
		__builtin_trap();
	if (str_is(verb, "exit"))
		_exit(3);
	return false;
}

static void session(const struct conf *conf, struct client *client)
{
	struct str line;

	(void)conf;
	while (io_line(client->io, &line, span_s(60)))
		if (!run_line(client, line))
			break;
	if (io_is_cancelled()) {
		io_uncancel();
		io_text(client->io, "bye\n");
	}
	io_flush(client->io, span_s(5));
}

static void serve(const struct conf *conf, struct call *call)
{
	struct msg_anvil m;

	(void)conf;
	while (msg_anvil_recv(call, &m, SPAN_FOREVER))
		if (!msg_anvil_counts_send(call, &(struct msg_anvil_counts){
				.connections = (uint64_t)getpid() }))
			return;
}

static void wakeup(const struct conf *conf, struct str request)
{
	(void)conf;
	(void)request;
	kicks++;
}

/* A daemon whose configuration folder has broken-NAME does not start. */
static void prepare(const struct conf *conf)
{
	char path[4096];

	snprintf(path, sizeof(path), "%.*s/broken-%.*s",
		STR_ARG(conf->config_directory), STR_ARG(service_row()));
	if (access(path, F_OK) == 0)
		log_fatal("%s is there", path);
}

static const enum param params[] = { max_use, max_idle, PARAMS_END };

int main(int argc, char **argv)
{
	static struct service checkd = {
		.name = "checkd",
		.fibers = 4,
		.profile = PROFILE_NETWORK,
		.calls = "",
		.params = params,
		.prepare = prepare,
		.session = session,
		.serve = serve,
		.wakeup = wakeup,
	};
	const char *slash = strrchr(argv[0], '/');

	checkd.name = slash ? slash + 1 : argv[0];
	checkd.resident = strcmp(checkd.name, "qmgr") == 0;
	return service_main(&checkd, argc, argv);
}
