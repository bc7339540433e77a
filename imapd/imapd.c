/*
 * imapd - a user's mail over IMAP, after login.
 *
 * Room       a root parent that reads no client's byte; forks a process per
 *            user, which drops to the owner of the mail for good (Landlock:
 *            that mail; no sockets) and has a fiber per connection
 * Gets       from auth, who a token is; from login, connections with a token
 * Calls      nobody
 * RFC        3501, 2177, 2342, 2971, 3348, 3502, 3516, 3691, 4315, 4731, 5032,
 *            5161, 5182, 5256, 5267 (ESORT), 5530, 5957, 6154, 6851, 7162, 7888,
 *            8438, 8508, 8514, 8970, 9394, 4978, 5258, 5464, 5819, 6855, 7889,
 *            8474, 9051, 9586, 9590, 9738, 10022, 5465, 6203
 */
#include "service/service.h"

#include <stdlib.h>

#include "base/log.h"
#include "mailbox/parent.h"
#include "session.h"

static const enum param params[] = { imap_namespace_prefix,
	imap_namespace_separator, mailbox_layout, mailbox_list_utf8, PARAMS_END };

/* Set in prepare; with -s a test may have a smaller limit. */
static struct session_conf sessions = SESSION_USUAL;

static void run(struct mailbox_login *login)
{
	session_run(login->store, login->io, login->arena, login->user,
		login->tag, &sessions);
}

static const struct mailbox_service imap = {
	.name = "imapd",
	.session = run,
	.unavailable = "* BYE [UNAVAILABLE] Mail cannot be opened now\r\n",
};

static void prepare(const struct conf *conf)
{
	const char *why;

	mailbox_parent_prepare(conf);
	if (!mailbox_namespace_make(conf->imap_namespace_prefix,
		conf->imap_namespace_separator, &sessions.ns, &why))
		log_fatal("imap_namespace_prefix, imap_namespace_separator: "
			"%s", why);
}

static void start(const struct conf *conf)
{
	(void)conf;
	mailbox_parent_start(&imap);
}

static void alone(const struct conf *conf, struct client *client)
{
	const char *limit = getenv("POSTHORN_MESSAGE_LIMIT");
	const char *progress = getenv("POSTHORN_PROGRESS_S");

	if (limit && atoi(limit) > 0)
		sessions.limit = (uint32_t)atoi(limit);
	if (progress && atoi(progress) >= 0)
		sessions.progress_s = (unsigned)atoi(progress);
	mailbox_alone(&imap, conf, client->io, client->arena);
}

static void finish(const struct conf *conf)
{
	(void)conf;
	mailbox_parent_finish();
}

static const struct service imapd = {
	.name = "imapd",
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
	return service_main(&imapd, argc, argv);
}
