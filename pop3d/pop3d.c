/*
 * pop3d - a user's mail over POP3, after login.
 *
 * Room       a root parent that reads no client's byte; forks a process per
 *            user, which drops to the owner of the mail for good (Landlock:
 *            that mail; no sockets) and has a fiber per connection
 * Gets       from auth, who a token is; from login, connections with a token
 * Calls      nobody
 * RFC        1939, 2449 (CAPA, PIPELINING, RESP-CODES, EXPIRE, LOGIN-DELAY),
 *            3206, 6856
 */
#include "service/service.h"

#include "mailbox/parent.h"
#include "session.h"

static const enum param params[] = { mailbox_layout, mailbox_list_utf8, pop3_language,
	pop3_lock_session,
	pop3_login_delay, pop3_uidl_format, PARAMS_END };

static const struct mailbox_service pop3 = {
	.name = "pop3d",
	.session = session_run,
	.unavailable = "-ERR [SYS/TEMP] Mail cannot be opened now\r\n",
};

static void prepare(const struct conf *conf)
{
	mailbox_parent_prepare(conf);
	session_prepare(conf);
}

static void start(const struct conf *conf)
{
	(void)conf;
	mailbox_parent_start(&pop3);
}

static void alone(const struct conf *conf, struct client *client)
{
	mailbox_alone(&pop3, conf, client->io, client->arena);
}

static void finish(const struct conf *conf)
{
	(void)conf;
	mailbox_parent_finish();
}

static const struct service pop3d = {
	.name = "pop3d",
	.fibers = 1000,
	.profile = PROFILE_ACCESS,
	.calls = "",
	.params = params,
	.prepare = prepare,
	.start = start,
	.session = alone,
	.serve = mailbox_parent_serve,
	.finish = finish,
	.resident = true,
};

int main(int argc, char **argv)
{
	return service_main(&pop3d, argc, argv);
}
