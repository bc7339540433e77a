/*
 * pickup - takes mail from local programs and hands it to cleanup.
 *
 * Room       a fiber per submission; user posthorn-intake; maildrop/
 * Gets       clients of public/pickup (sendmail), known by their uid; files
 *            that sendmail left in maildrop/ while the suite was down
 * Calls      cleanup, proxymap, querymap
 * RFC        3461 (what sendmail -N, -R, -V ask for)
 */
#include "pickup/pickup.h"

#include "base/log.h"
#include "mail/date.h"
#include "service/service.h"

#include <stdlib.h>

enum {
	UID_SESSIONS_MOST = 100, /* of one user at a time */
};

static const enum param params[] = { authorized_submit_users,
	content_filter, default_verp_delimiters,
	enable_long_queue_ids, local_login_sender_maps, mail_name,
	empty_address_local_login_sender_maps_lookup_key, recipient_delimiter,
	owner_request_special, info_log_address_format,
	message_size_limit, myhostname, queue_directory,
	verp_delimiter_filter, PARAMS_END };

/* Sessions by uid; the key is its decimal text. */
struct user {
	size_t sessions;
};

static struct table *users;

static struct users submitters;

static void prepare(const struct conf *conf)
{
	users = table_new();
	users_open(&submitters, "authorized_submit_users",
		conf->authorized_submit_users);
	mail_date_ready();
	login_open(conf);
	maildrop_open(conf);
}

static struct user *find_user(struct arena *arena, uint32_t sys_uid)
{
	struct str key = arena_fmt(arena, "%u", sys_uid);
	struct user *user = table_find(users, key);

	if (!user) {
		user = mem_new(1, sizeof(*user));
		table_put(users, key, user);
	}
	return user;
}

static void answer(struct client *client, struct status status)
{
	io_fmt(client->io, "%u %u.%u.%u %.*s\n", status.code,
		status_class(status), status.subject, status.detail,
		STR_ARG(status.text));
	io_flush(client->io, span_s(60));
}

static void session(const struct conf *conf, struct client *client)
{
	struct user *user = find_user(client->arena, client->sys_uid);
	struct intake intake = {
		.conf = conf,
		.users = &submitters,
		.arena = client->arena,
		.io = client->io,
		.sys_uid = client->sys_uid,
	};

	if (user->sessions >= UID_SESSIONS_MOST) {
		answer(client, STATUS(451, 7, 0,
			"too many submissions by this user at a time"));
		return;
	}
	user->sessions++;
	answer(client, intake_run(&intake));
	user->sessions--;
}

static void start(const struct conf *conf)
{
	maildrop_scan(conf, &submitters);
}

static void wakeup(const struct conf *conf, struct str request)
{
	(void)request;
	maildrop_scan(conf, &submitters);
}

static void serve(const struct conf *conf, struct call *call)
{
	(void)conf;
	maildrop_list(call);
}

static const struct service pickup = {
	.name = "pickup",
	.fibers = 100,
	.profile = PROFILE_INTAKE,
	.calls = "cleanup proxymap querymap",
	.params = params,
	.prepare = prepare,
	.start = start,
	.session = session,
	.serve = serve,
	.wakeup = wakeup,
};

int main(int argc, char **argv)
{
	return service_main(&pickup, argc, argv);
}
