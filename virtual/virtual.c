/*
 * virtual - delivers into mailboxes that tables name.
 *
 * Room       parent: root, reads no message, forks a child per uid that drops
 *            to it for good, with Landlock to virtual_mailbox_base; where
 *            every mailbox has the same static uid and gid, the process
 *            itself becomes that user
 * Gets       deliveries from qmgr
 * Calls      nobody
 */
#include "virtual/virtual.h"

#include "agent/deliver.h"
#include "base/log.h"
#include "io/helper.h"
#include "service/service.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
	HELPERS = 4,
};

static const enum param params[] = { delay_logging_resolution_limit,
	mailbox_delivery_lock, deliver_lock_attempts, deliver_lock_delay,
	imap_namespace_separator, mailbox_extension_autocreate,
	mailbox_extension_autosubscribe, mailbox_extension_delivery,
	mailbox_layout, mailbox_list_utf8,
	myhostname, recipient_delimiter, soft_bounce, stale_lock_time,
	virtual_delivery_status_filter, virtual_gid_maps, virtual_mailbox_base, virtual_mailbox_limit,
	virtual_mailbox_lock, virtual_mailbox_maps, virtual_minimum_uid,
	virtual_uid_maps, PARAMS_END };

static struct room room = { .base = -1 };

/* "static:5000": the same id for everyone. */
static bool static_id(struct str list, uint32_t *id)
{
	uint64_t value;

	list = str_trim(list);
	if (!str_take_prefix(&list, STR("static:")) ||
		!str_parse_u64(list, UINT32_MAX - 1, &value))
		return false;
	*id = (uint32_t)value;
	return true;
}

static void prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0);
	const char *base = arena_cstr(arena, conf->virtual_mailbox_base);

	room.conf = conf;
	lookup_open(arena, conf);
	deliver_filter_open(arena, conf, "virtual_delivery_status_filter",
		conf->virtual_delivery_status_filter);
	if (conf->virtual_mailbox_base.len == 0) {
		log_warning("virtual_mailbox_base is empty: every virtual "
			    "recipient is deferred");
		return;
	}
	room.base_path = base;
	room.base = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (room.base < 0)
		log_warning("open virtual_mailbox_base %s: %m", base);
	room.is_one_user = static_id(conf->virtual_uid_maps, &room.sys_uid) &&
		static_id(conf->virtual_gid_maps, &room.sys_gid) &&
		room.sys_uid >= (uint64_t)conf->virtual_minimum_uid;
	if (geteuid() != 0) {
		room.is_one_user = true;
		room.sys_uid = geteuid();
		room.sys_gid = getegid();
	}
}

/* One user for all: there is nothing that root is needed for. */
static void start(const struct conf *conf)
{
	const char *paths[2] = { NULL, NULL };
	struct arena *arena = arena_new(0);
	struct sandbox_child child = {
		.profile = PROFILE_MAILBOX,
		.sys_uid = room.sys_uid,
		.sys_gid = room.sys_gid,
		.paths = paths,
	};

	(void)conf;
	lookup_watch();
	if (!room.is_one_user || room.base < 0)
		return;
	paths[0] = arena_fmt(arena, "w:%s", room.base_path).p;
	if (!sandbox_become(&child))
		log_fatal("cannot become uid %u: %m", room.sys_uid);
	io_helpers_start(HELPERS);
	here_open(&room);
}

/* Our successor tries again: it may have been mounted meanwhile. */
static void defer(struct delivery *delivery)
{
	deliver_report_rest(delivery,
		&(struct deliver_report){
			.status = STATUS(451, 3, 5,
				"virtual_mailbox_base cannot be opened"),
		});
	service_replace();
}

static void deliver(struct delivery *delivery)
{
	if (room.base < 0)
		defer(delivery);
	else if (room.is_one_user)
		here_deliver(delivery);
	else
		children_deliver(&room, delivery);
}

static void serve(const struct conf *conf, struct call *call)
{
	deliver_serve(conf, call, deliver);
}

static const struct service service = {
	.name = "virtual",
	.fibers = 1000,
	.profile = PROFILE_DELIVER,
	.calls = "",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
