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
	SHARE_LEAST = 2, /* who is alone shares no flush on any file system */
};

/* What a name still needs to be durable. */
struct owed {
	struct list link;
	struct call *call; /* the child does it, and says `settled` */
	/* else: a flush of this volume */
	struct volume *volume;
	uint64_t born, mark;
	const struct deed *deed;
	struct str folder, name; /* of the file */
	bool made;
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

struct call *child_call(struct arena *arena, enum child_kind kind,
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

/* ---- to do something ---- */

/* What is being done by a child, and how its file becomes durable. */
struct doing {
	struct task *task;
	const struct deed *deed;
	struct call *call;
	struct volume *volume; /* NULL: the child flushes */
	uint64_t born;
	bool is_expected, is_flushed;
};

/* Few at once flush by themselves: quicker, and nobody waits for others. Those
 * that came in one packet are counted first. */
static void choose_flush(struct doing *doing)
{
	struct volume *volume;

	if (doing->deed->act.act != ACT_MAILDIR)
		return;
	io_yield();
	if (room.busy < SHARE_LEAST)
		return;
	volume = volume_find(doing->deed->act.base);
	if (!volume || room.busy < volume->group.share_from)
		return;
	doing->volume = volume;
	doing->born = volume->born;
	doing->is_expected = true;
	group_expect(&volume->group);
}

/* It has been written, or never will be. */
static void came(struct doing *doing)
{
	if (doing->is_expected)
		group_came(&doing->volume->group);
	doing->is_expected = false;
}

static bool send_deed(struct doing *doing)
{
	struct msg_local_act act = doing->deed->act;
	struct msg_deliver m = doing->task->delivery->m;

	act.shares = doing->volume != NULL;
	m.sender = task_sender(doing->task);
	return msg_local_act_send(doing->call, &act) &&
		deliver_send(doing->call, &m, &doing->task->recipient, 1,
			doing->task->delivery->large);
}

/* The flusher that was there before the file was written. */
static bool is_covered(const struct volume *volume, uint64_t born)
{
	return volume->device != 0 && volume->born == born;
}

/* Its file is written: flush it, or let the child do it. */
static bool publish(struct doing *doing)
{
	struct volume *volume = doing->volume;
	struct msg_local_publish go = { 0 };
	struct msg_local_written written;
	bool here;

	if (!volume ||
		!msg_local_written_recv(doing->call, &written, span_s(REPORT_S)))
		return false;
	came(doing);
	here = written.device != 0 && written.device == volume->device;
	if (here) {
		go.durable = group_data(&volume->group, 1, true,
				     false) &&
			is_covered(volume, doing->born);
		group_data_end(&volume->group, 1, false);
	}
	doing->is_flushed = go.durable;
	return msg_local_publish_send(doing->call, &go);
}

static void owe(const struct doing *doing, const struct msg_local_acted *acted)
{
	struct task *task = doing->task;
	struct owed *owed;

	if (acted->settled) {
		call_close(doing->call);
		return;
	}
	owed = arena_new_of(task->arena, struct owed);
	owed->call = doing->call;
	if (doing->is_flushed) {
		call_close(doing->call);
		*owed = (struct owed){
			.volume = doing->volume,
			.born = doing->born,
			.mark = group_mark(&doing->volume->group),
			.deed = doing->deed,
			.folder = acted->folder,
			.name = acted->name,
			.made = acted->made,
		};
	}
	list_append(&task->unsettled, &owed->link);
}

/* What became of a deed that was sent. */
static struct status take_acted(struct doing *doing)
{
	struct msg_local_acted acted;
	enum msg_kind kind;

	if (!call_peek(doing->call, &kind, span_s(REPORT_S)) ||
		(kind == MSG_local_written && !publish(doing)) ||
		!msg_local_acted_recv(doing->call, &acted, span_s(REPORT_S)) ||
		acted.code < 200 || acted.code > 599 || acted.subject > 999 ||
		acted.detail > 999 ||
		(doing->is_flushed && !acted.settled &&
			(str_is_none(acted.folder) ||
				str_is_none(acted.name))))
		return STATUS(451, 3, 0, "unknown mail transport error");
	owe(doing, &acted);
	if (acted.code / 100 == 2 && doing->deed->kind == CHILD_MAILBOX &&
		doing->deed->act.act == ACT_MBOX)
		biff_tell(doing->deed->rights.user, acted.at);
	return (struct status){ (uint16_t)acted.code, (uint16_t)acted.subject,
		(uint16_t)acted.detail, acted.text };
}

struct status child_act(struct task *task, const struct deed *deed)
{
	struct doing doing = { .task = task, .deed = deed };
	struct status status = STATUS(451, 3, 0, "unknown mail transport error");

	choose_flush(&doing);
	doing.call = child_call(
		task->arena, deed->kind, &deed->rights, deed->home);
	if (doing.call && send_deed(&doing))
		status = take_acted(&doing);
	came(&doing);
	return status;
}

/* ---- to read, and perhaps to do ---- */

static enum maps_result take_read(struct task *task, struct call *call,
	struct alias_list *list)
{
	struct msg_local_items items;

	if (!msg_local_items_recv(call, &items, span_s(LOOKUP_S)) ||
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

/* True: there is an answer to both. */
static bool ask(struct doing *doing, const struct msg_local_read *what,
	enum msg_kind *answer)
{
	struct msg_local_read m = *what;

	m.acts = doing->deed != NULL;
	return doing->call && msg_local_read_send(doing->call, &m) &&
		(!m.acts || send_deed(doing)) &&
		call_peek(doing->call, answer,
			span_s(m.acts ? REPORT_S : LOOKUP_S));
}

enum maps_result child_read(struct task *task, enum child_kind kind,
	const struct rights *rights, struct str home,
	const struct msg_local_read *what, struct alias_list *list,
	const struct deed *deed, struct status *done)
{
	struct doing doing = { .task = task, .deed = deed };
	enum maps_result result = MAPS_ERROR;
	enum msg_kind answer;

	if (deed)
		choose_flush(&doing);
	doing.call = child_call(task->arena, kind, rights, home);
	if (!ask(&doing, what, &answer)) {
		task_add(task,
			STATUS(451, 3, 0, "destinations could not be read"));
	} else if (!deed || answer == MSG_local_items) {
		result = take_read(task, doing.call, list);
	} else {
		*done = take_acted(&doing);
		result = MAPS_ABSENT;
	}
	came(&doing);
	return result;
}

/* ---- names ---- */

/* The child does it after all; it takes the file back if it cannot. */
static bool settle_alone(struct task *task, const struct owed *owed)
{
	const struct deed *deed = owed->deed;
	const struct msg_local_settle m = {
		.base = deed->act.base,
		.folder = owed->folder,
		.name = owed->name,
		.made = owed->made,
	};
	struct msg_settled settled;
	struct call *call = child_call(
		task->arena, deed->kind, &deed->rights, deed->home);

	return call && msg_local_settle_send(call, &m) &&
		msg_settled_recv(call, &settled, span_s(REPORT_S));
}

static bool settle(struct task *task, const struct owed *owed)
{
	struct msg_settled m;

	if (owed->call)
		return msg_settled_recv(owed->call, &m, span_s(REPORT_S));
	return (group_names(&owed->volume->group, owed->mark, 1,
			task->delivery->m.flags & DELIVER_AT_ONCE) &&
		       is_covered(owed->volume, owed->born)) ||
		settle_alone(task, owed);
}

bool child_settle(struct task *task)
{
	bool good = !task->is_lost;

	list_each(link, &task->unsettled)
		if (!settle(task, CONTAINER(link, struct owed, link)))
			good = false;
	return good;
}
