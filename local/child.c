/*
 * local/child - what a child does for its parent, with the rights of its user:
 * look a name up, read a file of destinations, deliver.
 */
#include "local/local.h"

#include "agent/command.h"
#include "agent/maildir.h"
#include "agent/mbox.h"
#include "agent/trace.h"
#include "base/log.h"
#include "io/helper.h"
#include "mailbox/extension.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RECEIVE_S = 300,
	PASSWD_OCTETS = 2 * 1024, /* of an entry, at first */
	PASSWD_OCTETS_MOST = 64 * 1024,
	HEADER_MOST = 100 * 1024,
	READ_AT_ONCE = 16 * 1024,
	LOGIN_MOST = 256, /* LOGIN_NAME_MAX: a longer name is no user's */
};

/* ---- who is this? ---- */

struct lookup {
	const char *name;
	struct passwd entry, *found;
	char *text;
	size_t octets;
	int error;
	bool has_home;
};

/* In a helper thread: NSS may ask the network. */
static int find_passwd(void *context)
{
	struct lookup *lookup = context;
	struct stat st;

	lookup->error = getpwnam_r(lookup->name, &lookup->entry, lookup->text,
		lookup->octets, &lookup->found);
	lookup->has_home = lookup->found &&
		stat(lookup->entry.pw_dir, &st) == 0 && S_ISDIR(st.st_mode);
	return 0;
}

/* getpwnam_r(3) names these for "no such user", beside 0. */
static bool means_absent(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH;
}

static void serve_user(struct call *call)
{
	struct arena *arena = call_arena(call);
	struct lookup lookup = { .octets = PASSWD_OCTETS / 2 };
	struct msg_local_user m;
	struct msg_local_user_is is = { 0 };

	if (!msg_local_user_recv(call, &m, span_s(RECEIVE_S)))
		return;
	/* The C library takes space for a name from the stack. */
	if (m.name.len < LOGIN_MOST) {
		lookup.name = arena_cstr(arena, m.name);
		do {
			lookup.octets *= 2;
			lookup.text = arena_alloc(arena, lookup.octets);
			io_help(find_passwd, &lookup);
		} while (lookup.error == ERANGE &&
			lookup.octets < PASSWD_OCTETS_MOST);
	}
	if (lookup.found) {
		is = (struct msg_local_user_is){
			.result = 1,
			.name = str_from(lookup.entry.pw_name),
			.home = str_from(lookup.entry.pw_dir),
			.shell = str_from(lookup.entry.pw_shell),
			.has_home = lookup.has_home,
			.sys_uid = lookup.entry.pw_uid,
			.sys_gid = lookup.entry.pw_gid,
		};
	} else if (!means_absent(lookup.error)) {
		errno = lookup.error;
		log_warning("user lookup: %.*s: %m", STR_ARG(m.name));
		is.result = 2;
	}
	if (!msg_local_user_is_send(call, &is))
		log_debug("the parent has gone: %m");
}

/* ---- files of destinations ---- */

/* Empty: fine to read; else why not. */
static const char *is_unsafe(const struct msg_local_read *m,
	const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (m->is_forward && st->st_uid != 0 && st->st_uid != m->owner)
		return "belongs to somebody else";
	if (m->is_forward && (st->st_mode & S_IWOTH))
		return "can be written to by everyone";
	return NULL;
}

static bool read_all(struct arena *arena, int fd, struct str *text)
{
	struct buf all = BUF_IN(arena);
	ssize_t len;

	all.limit = ALIAS_FILE_MOST + READ_AT_ONCE;
	for (;;) {
		if (all.len > ALIAS_FILE_MOST || !buf_room(&all, READ_AT_ONCE)) {
			errno = EFBIG;
			return false;
		}
		len = read(fd, all.p + all.len, READ_AT_ONCE);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return false;
		if (len == 0)
			break;
		all.len += (size_t)len;
	}
	*text = buf_str(&all);
	return true;
}

/* The first file that is there and safe. */
static enum maps_result read_one(struct arena *arena,
	struct msg_local_read *m, struct str *text, struct str *error)
{
	struct str path;

	while (msg_list_take(&m->paths, &path)) {
		auto_close int fd = open(arena_cstr(arena, path),
			O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		struct stat st;
		const char *unsafe;

		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR ||
				      errno == ENAMETOOLONG))
			continue;
		if (fd < 0 && errno == EACCES && m->is_forward) {
			log_warning("%.*s: %m", STR_ARG(path));
			continue;
		}
		if (fd >= 0 && fstat(fd, &st) == 0) {
			unsafe = is_unsafe(m, &st);
			if (unsafe)
				log_warning("%.*s is not used: it %s",
					STR_ARG(path), unsafe);
			if (unsafe)
				continue;
			if (read_all(arena, fd, text))
				return MAPS_FOUND;
		}
		*error = arena_fmt(arena, "cannot open file %.*s: %m",
			STR_ARG(path));
		return MAPS_ERROR;
	}
	return MAPS_ABSENT;
}

static void serve_read(struct call *call)
{
	struct arena *arena = call_arena(call);
	struct msg_local_read m;
	struct msg_local_items answer = { 0 };
	struct alias_list list = { 0 };
	struct str text = STR(""), *items;
	enum maps_result result;

	if (!msg_local_read_recv(call, &m, span_s(RECEIVE_S)))
		return;
	result = read_one(arena, &m, &text, &answer.text);
	if (result == MAPS_FOUND && !alias_parse_file(arena, text, &list)) {
		answer.text = STR("too many destinations in a file");
		result = MAPS_ERROR;
	}
	items = arena_array(arena, list.count + 1, sizeof(*items));
	for (size_t i = 0; i < list.count; i++)
		items[i] = arena_fmt(arena, "%c%.*s", list.items[i].kind,
			STR_ARG(list.items[i].value));
	if (result == MAPS_ABSENT && !m.is_forward) {
		answer.text = STR("a file of destinations is not there");
		result = MAPS_ERROR;
	}
	answer.result = result == MAPS_FOUND ? 1 : result == MAPS_ERROR ? 2 : 0;
	answer.items = (struct msg_list){ .items = items, .count = list.count };
	if (!msg_local_items_send(call, &answer))
		log_warning("destinations of a file: %m");
}

/* ---- delivery ---- */

/* Maildirs of one file system share their flushes. */
struct base {
	struct list link;
	dev_t device;
	struct maildir_store store;
};

static struct list bases;

static struct maildir_store *find_store(struct arena *arena, struct str path)
{
	auto_close int fd = open(arena_cstr(arena, path),
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct base *base;
	struct stat st;

	if (!bases.next)
		list_init(&bases);
	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	list_each(link, &bases) {
		base = CONTAINER(link, struct base, link);
		if (base->device == st.st_dev)
			return &base->store;
	}
	base = mem_new(1, sizeof(*base));
	base->device = st.st_dev;
	maildir_store_open(&base->store, fd_keep(&fd), NULL);
	list_append(&bases, &base->link);
	return &base->store;
}

static struct status act_maildir(struct delivery *delivery,
	const struct msg_local_act *m, struct maildir_store **store,
	struct maildir_item *item)
{
	struct arena *arena = delivery->arena;
	bool is_made;

	*store = find_store(arena, m->base);
	if (!*store)
		return status_f(arena, 451, 2, 0,
			"maildir delivery failed: open %.*s: %m",
			STR_ARG(m->base));
	if (m->limit > 0 && delivery->content.size > m->limit)
		return STATUS(552, 2, 3, "message is too large for a mailbox");
	*item = (struct maildir_item){
		.folder = mailbox_extension_folder(arena, delivery->conf,
			(*store)->base, arena_fmt(arena, "%.*s/%.*s",
				STR_ARG(m->base), STR_ARG(m->path)),
			m->extension, &is_made),
		.head = m->head,
		.content = &delivery->content,
		.look = (delivery->m.flags & DELIVER_RETRY) != 0,
	};
	item->fresh = is_made;
	item->name = maildir_name(arena, delivery->conf->myhostname, delivery,
		delivery->recipients[0].number,
		item->head.len + delivery->content.size);
	maildir_write(*store, arena, item);
	maildir_publish(*store, arena, item, 1);
	return item->status;
}

static struct status act_mbox(struct delivery *delivery,
	const struct msg_local_act *m, uint64_t *at)
{
	return mbox_append(delivery,
		&(struct mbox){
			.base = AT_FDCWD,
			.path = m->path,
			.locks = delivery->conf->mailbox_delivery_lock,
			.limit = (int64_t)m->limit,
			.head = m->head,
			.what = arena_cstr(delivery->arena, m->what),
			.is_strict = m->is_strict,
			.at = at,
		});
}

static char **to_argv(struct arena *arena, struct msg_list *list)
{
	char **argv = arena_array(arena, list->count + 1, sizeof(*argv));
	struct str item;
	size_t count = 0;

	while (msg_list_take(list, &item))
		argv[count++] = arena_cstr(arena, item);
	return argv;
}

static struct status act_command(struct delivery *delivery,
	struct msg_local_act *m)
{
	struct arena *arena = delivery->arena;
	const struct command_plan plan = {
		.argv = to_argv(arena, &m->words),
		.environment = to_argv(arena, &m->environment),
		.directory = str_is_none(m->directory) ?
			NULL :
			arena_cstr(arena, m->directory),
		.sys_uid = geteuid(),
		.sys_gid = getegid(),
		.time_limit = delivery->conf->command_time_limit,
		.head = m->head,
		.flags = COMMAND_FROM_LINE,
		.eol = "\n",
		.what = arena_cstr(arena, m->what),
	};
	struct status status;

	if (!plan.argv[0])
		return STATUS(554, 3, 5, "the command is empty");
	status = command_run(delivery, &plan);
	if (status_is_ok(status))
		status.text = arena_fmt(arena, "delivered to command: %.*s",
			STR_ARG(m->what));
	return status;
}

static struct status look(struct delivery *delivery)
{
	struct str header;
	struct str address = delivery->recipients[0].address;

	if (!content_header(delivery->arena, &delivery->content, HEADER_MOST,
		    &header))
		return STATUS(451, 3, 0, "queue file read error");
	if (trace_is_loop(header, address))
		return status_f(delivery->arena, 554, 4, 6,
			"mail forwarding loop for %.*s", STR_ARG(address));
	return STATUS_OK;
}

static bool answer(struct call *call, struct status status, bool settled,
	uint64_t at)
{
	const struct msg_local_acted m = {
		.code = status.code,
		.subject = status.subject,
		.detail = status.detail,
		.text = status.text,
		.settled = settled,
		.at = at,
	};

	return msg_local_acted_send(call, &m);
}

static void act(struct delivery *delivery, struct msg_local_act *m)
{
	struct status status = look(delivery);
	struct maildir_store *store = NULL;
	struct maildir_item item;
	uint64_t at = 0;

	if (status_is_ok(status) && m->act == ACT_MBOX)
		status = act_mbox(delivery, m, &at);
	else if (status_is_ok(status) && m->act == ACT_COMMAND)
		status = act_command(delivery, m);
	else if (status_is_ok(status) && m->act == ACT_MAILDIR)
		status = act_maildir(delivery, m, &store, &item);
	if (!store || !status_is_ok(status)) {
		if (!answer(delivery->call, status, true, at))
			log_debug("the parent has gone: %m");
		return;
	}
	if (answer(delivery->call, status, false, 0) &&
		maildir_settle(store, delivery->arena, &item, 1,
			delivery->m.flags & DELIVER_AT_ONCE))
		deliver_settled(delivery);
}

static void serve_act(struct call *call)
{
	struct msg_local_act m;
	struct delivery delivery;

	if (!msg_local_act_recv(call, &m, span_s(RECEIVE_S)))
		return;
	if (deliver_receive(&delivery, room.conf, call) && delivery.count == 1)
		act(&delivery, &m);
	if (delivery.m.large >= 0)
		close(delivery.m.large);
}

void child_serve(struct call *call, void *context)
{
	enum msg_kind kind;

	(void)context;
	if (!call_peek(call, &kind, span_s(RECEIVE_S)))
		return;
	if (kind == MSG_local_user)
		serve_user(call);
	else if (kind == MSG_local_read)
		serve_read(call);
	else if (kind == MSG_local_act)
		serve_act(call);
	else
		call_fail(call, EPROTO);
}
