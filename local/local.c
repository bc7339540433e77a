/*
 * local - delivers to the users of this system: aliases, .forward, mailboxes,
 * commands.
 *
 * Room       parent: root, reads no message; decides, and forks children that
 *            drop for good: one looks names up (default_privs), one per file
 *            system does nothing but flush it, one per user sees nothing but
 *            the home and the spool (Landlock), one per user runs commands
 *            (NO_NEW_PRIVS, refused system calls)
 * Gets       deliveries from qmgr
 * Calls      cleanup (forwards), other delivery agents (mailbox_transport)
 */
#include "local/local.h"

#include "base/log.h"
#include "config/list.h"
#include "mail/date.h"
#include "service/service.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

struct room room;

static const enum param params[] = { alias_maps, allow_mail_to_commands,
	allow_mail_to_files, biff, command_execution_directory,
	command_expansion_filter, command_time_limit, default_privs,
	delay_logging_resolution_limit, deliver_lock_attempts,
	deliver_lock_delay, enable_long_queue_ids,
	execution_directory_expansion_filter, expand_owner_alias,
	export_environment, fallback_transport, fallback_transport_maps,
	forward_expansion_filter, forward_path, home_mailbox,
	imap_namespace_separator, mailbox_extension_autocreate,
	mailbox_extension_autosubscribe, mailbox_extension_delivery,
	mailbox_layout, mailbox_list_utf8,
	local_command_shell, luser_relay, mail_name, mail_spool_directory,
	mailbox_command, mailbox_command_maps, mailbox_delivery_lock,
	mailbox_size_limit, mailbox_transport, mailbox_transport_maps,
	mydestination, myhostname, myorigin, owner_request_special,
	prepend_delivered_header, propagate_unmatched_extensions,
	recipient_delimiter, require_home_directory, soft_bounce,
	stale_lock_time, strict_mailbox_ownership,
	local_delivery_status_filter, PARAMS_END };

/* Where the octets of a table are: hash:/etc/aliases in /etc/aliases.db. */
static uint32_t owner_of(struct arena *arena, struct str element)
{
	static const char *const suffixes[] = { ".db", ".lmdb", ".cdb", "" };
	struct str type, name;
	struct stat st;

	if (!list_split_table(element, &type, &name) || name.len == 0 ||
		name.p[0] != '/')
		return 0;
	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (stat(arena_fmt(arena, "%.*s%s", STR_ARG(name),
				 suffixes[i])
				    .p,
			    &st) == 0)
			return st.st_uid;
	return 0;
}

/* The rights of a table's owner; root's are default_privs. */
static struct rights rights_of(struct arena *arena, struct str element)
{
	uint32_t sys_uid = owner_of(arena, element);
	struct passwd *entry = sys_uid ? getpwuid(sys_uid) : NULL;

	if (!entry || !room.is_root)
		return room.defaults;
	return (struct rights){ entry->pw_uid, entry->pw_gid,
		arena_copy(arena, str_from(entry->pw_name)) };
}

static void open_aliases(struct arena *arena, const struct conf *conf)
{
	struct str rest = conf->alias_maps, element;
	size_t capacity = 0;

	while (list_take(&rest, &element)) {
		struct alias_table *table;

		arena_grow(arena, &room.aliases, &capacity,
			room.alias_count + 1, sizeof(*room.aliases));
		table = &room.aliases[room.alias_count++];
		table->maps = maps_open(arena, conf, "alias_maps", element,
			MAPS_NO_SUBSTITUTION | MAPS_DIRECT);
		table->rights = rights_of(arena, element);
	}
}

static void find_defaults(struct arena *arena, const struct conf *conf)
{
	const char *name = arena_cstr(arena, conf->default_privs);
	struct passwd *entry = getpwnam(name);

	room.is_root = geteuid() == 0;
	room.defaults = (struct rights){ geteuid(), getegid(), STR_NONE };
	if (!room.is_root)
		return;
	if (!entry || entry->pw_uid == 0)
		log_fatal("default_privs: %s is %s", name,
			entry ? "root" : "no user of this system");
	room.defaults = (struct rights){ entry->pw_uid, entry->pw_gid,
		arena_copy(arena, str_from(entry->pw_name)) };
}

/* A spool that its group may write to (root:mail 2775) is written to with that
 * group, so that locks can be made there. */
static void look_at_spool(struct arena *arena, const struct conf *conf)
{
	struct stat st;

	if (stat(arena_cstr(arena, conf->mail_spool_directory), &st) < 0)
		return;
	room.spool_gid = st.st_gid;
	room.spool_is_shared = (st.st_mode & S_IWGRP) != 0 &&
		(st.st_mode & S_IWOTH) == 0;
}

static void prepare(const struct conf *conf)
{
	const unsigned flags = MAPS_NO_SUBSTITUTION;
	struct arena *arena = arena_new(0); /* of the process */

	mail_date_ready();
	room.conf = conf;
	find_defaults(arena, conf);
	look_at_spool(arena, conf);
	biff_open(conf);
	open_aliases(arena, conf);
	deliver_filter_open(arena, conf, "local_delivery_status_filter",
		conf->local_delivery_status_filter);
	room.router = router_open_routes(arena, conf);
	room.rewriter = rewriter_open(arena, conf, room.router);
	room.mailbox_transports = maps_open(arena, conf,
		"mailbox_transport_maps", conf->mailbox_transport_maps, flags);
	room.mailbox_commands = maps_open(arena, conf, "mailbox_command_maps",
		conf->mailbox_command_maps, flags);
	room.has_mailboxes_only = conf->mailbox_transport_maps.len == 0 &&
		conf->mailbox_command_maps.len == 0 &&
		str_trim(conf->mailbox_transport).len == 0 &&
		str_trim(conf->mailbox_command).len == 0;
	room.fallback_transports =
		maps_open(arena, conf, "fallback_transport_maps",
			conf->fallback_transport_maps, flags);
}

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static void deliver(struct delivery *delivery)
{
	struct task *tasks = arena_array(
		delivery->arena, delivery->count, sizeof(*tasks));
	bool settled = true;

	for (size_t i = 0; i < delivery->count; i++) {
		struct task *task = &tasks[i];

		task->delivery = delivery;
		task->recipient = &delivery->recipients[i];
		task->arena = delivery->arena;
		task->owner = STR_NONE;
		list_init(&task->forwards);
		list_init(&task->unsettled);
		room.busy++;
		recipient_deliver(task);
		room.busy--;
		if (task->is_lost || !list_is_empty(&task->unsettled))
			settled = false;
	}
	deliver_done(delivery, settled, DELIVER_SITE_REACHED, STR(""));
	if (settled)
		return;
	settled = true;
	for (size_t i = 0; i < delivery->count; i++)
		if (!child_settle(&tasks[i]))
			settled = false;
	if (settled)
		deliver_settled(delivery);
}

static void serve(const struct conf *conf, struct call *call)
{
	deliver_serve(conf, call, deliver);
}

static const struct service service = {
	.name = "local",
	.fibers = 1000,
	.profile = PROFILE_DELIVER,
	.calls = "cleanup proxymap querymap smtp local virtual pipe error discard",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
