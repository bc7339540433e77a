/*
 * local/children - the parent's side of the children that it forks: one that
 * looks names up, and for each user one with a view of the mail only and one
 * without, for commands.
 */
#include "local/local.h"

#include "agent/pool.h"

#include <unistd.h>

enum {
	IDLE_S = 60,
	HELPERS = 2,
	LOOKUP_S = 120,
	REPORT_S = 3600,
};

/* A call that still owes `settled`. */
struct owed {
	struct list link;
	struct call *call;
};

static enum profile profile_of(enum child_kind kind)
{
	return kind == CHILD_MAILBOX ? PROFILE_MAILBOX : PROFILE_DELIVER;
}

/* Commands are forked by their child, which therefore has no threads. */
static int helpers_of(enum child_kind kind)
{
	return kind == CHILD_PLAIN ? 0 : HELPERS;
}

/* What a child for mailboxes sees. A rule is for what a path leads to: a
 * mailbox in the home may be a link to another place. */
static const char *const *paths_of(struct arena *arena, enum child_kind kind,
	struct str home)
{
	struct str in_home = room.conf->home_mailbox;
	const char **paths = arena_array(arena, 4, sizeof(*paths));
	size_t count = 0;

	if (kind != CHILD_MAILBOX)
		return paths;
	if (home.len > 0)
		paths[count++] = arena_fmt(arena, "w:%.*s", STR_ARG(home)).p;
	if (home.len > 0 && in_home.len > 0)
		paths[count++] = arena_fmt(arena, "w:%.*s/%.*s", STR_ARG(home),
			STR_ARG(in_home))
					 .p;
	else
		paths[count++] = arena_fmt(arena, "w:%.*s",
			STR_ARG(room.conf->mail_spool_directory))
					 .p;
	return paths;
}

static struct peer *find(enum child_kind kind, const struct rights *rights,
	struct str home)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct child_plan plan = {
		.name = STR("local"),
		.sandbox = { .profile = profile_of(kind),
			.sys_uid = rights->sys_uid,
			.sys_gid = rights->sys_gid,
			.user = str_is_none(rights->user) ?
				NULL :
				arena_cstr(arena, rights->user),
			.paths = paths_of(arena, kind, home) },
		.helper_threads = helpers_of(kind),
		.idle = span_s(IDLE_S),
		.serve = child_serve,
	};

	return pool_find(arena_fmt(arena, "%d/%u/%u/%.*s", kind,
				 rights->sys_uid, rights->sys_gid,
				 STR_ARG(kind == CHILD_MAILBOX ? home :
								 STR(""))),
		&plan);
}

static struct call *call_child(struct arena *arena, enum child_kind kind,
	const struct rights *rights, struct str home)
{
	struct rights own = *rights;
	struct peer *child;

	if (!room.is_root) {
		own.sys_gid = getegid();
		own.user = STR_NONE;
	}
	child = find(kind, &own, home);
	return child ? peer_call(child, arena) : NULL;
}

struct status child_may_be(struct arena *arena, const struct rights *rights)
{
	if (room.is_root || rights->sys_uid == geteuid())
		return STATUS_OK;
	return status_f(arena, 451, 3, 5,
		"the mailbox belongs to uid %u, and this process, started "
		"without root, can only be uid %u",
		rights->sys_uid, geteuid());
}

enum maps_result child_find_user(struct arena *arena, struct str name,
	struct user *user)
{
	struct call *call =
		call_child(arena, CHILD_LOOKUP, &room.defaults, STR(""));
	const struct msg_local_user ask = { .name = name };
	struct msg_local_user_is is;

	if (!call || !msg_local_user_send(call, &ask) ||
		!msg_local_user_is_recv(call, &is, span_s(LOOKUP_S)))
		return MAPS_ERROR;
	call_close(call);
	if (is.result == 0)
		return MAPS_ABSENT;
	if (is.result != 1 || is.sys_uid >= UINT32_MAX ||
		is.sys_gid >= UINT32_MAX || is.name.len == 0)
		return MAPS_ERROR;
	*user = (struct user){ is.name, is.home, is.shell,
		(uint32_t)is.sys_uid, (uint32_t)is.sys_gid, is.has_home };
	return MAPS_FOUND;
}

static bool is_alias_kind(char c)
{
	return c == ALIAS_ADDRESS || c == ALIAS_USER || c == ALIAS_COMMAND ||
		c == ALIAS_FILE || c == ALIAS_INCLUDE || c == ALIAS_JUNK;
}

static bool take_items(struct arena *arena, struct msg_list *wire,
	struct alias_list *list)
{
	struct str item;

	list->items = arena_array(arena, wire->count + 1,
		sizeof(*list->items));
	list->count = 0;
	while (msg_list_take(wire, &item)) {
		if (item.len < 2 || !is_alias_kind(item.p[0]))
			return false;
		list->items[list->count++] = (struct alias_item){
			(enum alias_kind)item.p[0], str_skip(item, 1)
		};
	}
	return true;
}

enum maps_result child_read(struct task *task, enum child_kind kind,
	const struct rights *rights, struct str home,
	const struct msg_local_read *what, struct alias_list *list)
{
	struct call *call = call_child(task->arena, kind, rights, home);
	struct msg_local_items items;

	if (!call || !msg_local_read_send(call, what) ||
		!msg_local_items_recv(call, &items, span_s(LOOKUP_S)) ||
		items.result > 2 ||
		!take_items(task->arena, &items.items, list)) {
		task_add(task,
			STATUS(451, 3, 0, "destinations could not be read"));
		return MAPS_ERROR;
	}
	call_close(call);
	if (items.result == 2)
		task_add(task,
			status_f(task->arena, 451, 2, 0, "%.*s",
				STR_ARG(items.text)));
	return items.result == 0 ? MAPS_ABSENT :
		items.result == 1 ? MAPS_FOUND :
				    MAPS_ERROR;
}

static bool send_delivery(struct call *call, const struct task *task)
{
	const struct deliver_recipient *recipient = task->recipient;
	const struct msg_deliver_recipient r = {
		.number = recipient->number,
		.address = recipient->address,
		.orig = recipient->orig,
		.orcpt = recipient->orcpt,
		.notify = recipient->notify,
	};
	const struct msg_deliver_go go = { 0 };

	return msg_deliver_send(call, &task->delivery->m) &&
		msg_deliver_recipient_send(call, &r) &&
		msg_deliver_go_send(call, &go);
}

struct status child_act(struct task *task, enum child_kind kind,
	const struct rights *rights, struct str home,
	const struct msg_local_act *act, uint64_t *at)
{
	struct call *call = call_child(task->arena, kind, rights, home);
	struct msg_local_acted acted;
	struct owed *owed;

	if (!call || !msg_local_act_send(call, act) ||
		!send_delivery(call, task) ||
		!msg_local_acted_recv(call, &acted, span_s(REPORT_S)) ||
		acted.code < 200 || acted.code > 599 || acted.subject > 999 ||
		acted.detail > 999)
		return STATUS(451, 3, 0, "unknown mail transport error");
	*at = acted.at;
	if (acted.settled) {
		call_close(call);
	} else {
		owed = arena_new_of(task->arena, struct owed);
		owed->call = call;
		list_append(&task->unsettled, &owed->link);
	}
	return (struct status){ (uint16_t)acted.code, (uint16_t)acted.subject,
		(uint16_t)acted.detail, acted.text };
}

bool child_settle(struct task *task)
{
	struct msg_settled m;
	bool good = !task->is_lost;

	list_each(link, &task->unsettled) {
		struct owed *owed = CONTAINER(link, struct owed, link);

		if (!msg_settled_recv(owed->call, &m, span_s(REPORT_S)))
			good = false;
	}
	return good;
}
