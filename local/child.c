/*
 * local/child - what a child does for its parent, with the rights of its user:
 * read a file of destinations, deliver. (lookup.c: look a name up.)
 */
#include "local/local.h"

#include "agent/command.h"
#include "agent/maildir.h"
#include "agent/mbox.h"
#include "agent/trace.h"
#include "base/log.h"
#include "mailbox/extension.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RECEIVE_S = 300,
	HEADER_MOST = 100 * 1024,
	READ_AT_ONCE = 16 * 1024,
	REPORT_S = 3600,
};

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

static void serve_act(struct call *call);

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
	if (m.acts && result != MAPS_ERROR && list.count == 0) {
		serve_act(call);
		return;
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
	char *path; /* that led here last, or NULL */
	struct maildir_store store;
};

static struct list bases;

static struct base *base_new(int fd, dev_t device)
{
	struct base *base = mem_new(1, sizeof(*base));

	base->device = device;
	maildir_store_open(&base->store, fd, NULL);
	list_append(&bases, &base->link);
	return base;
}

static struct base *base_open(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	list_each(link, &bases) {
		struct base *base = CONTAINER(link, struct base, link);

		if (base->device == st.st_dev)
			return base;
	}
	return base_new(fd_keep(&fd), st.st_dev);
}

/* What lies behind a path may change: then the file is not on the device that
 * is remembered, and flushed by itself. */
static struct maildir_store *find_store(struct arena *arena, struct str path)
{
	struct base *base;
	char *name;

	if (!bases.next)
		list_init(&bases);
	list_each(link, &bases) {
		base = CONTAINER(link, struct base, link);
		if (base->path && str_is(path, base->path))
			return &base->store;
	}
	base = base_open(arena_cstr(arena, path));
	if (!base)
		return NULL;
	name = mem_new(path.len + 1, 1);
	memcpy(name, path.p, path.len);
	free(base->path);
	base->path = name;
	return &base->store;
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
			.user = m->user,
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
		.program.argv = to_argv(arena, &m->words),
		.program.environment = to_argv(arena, &m->environment),
		.program.directory = str_is_none(m->directory) ?
			NULL :
			arena_cstr(arena, m->directory),
		.program.sys_uid = geteuid(),
		.program.sys_gid = getegid(),
		.time_limit = delivery->conf->command_time_limit,
		.head = m->head,
		.flags = COMMAND_FROM_LINE,
		.null_sender = STR_NONE,
		.eol = "\n",
		.program.what = arena_cstr(arena, m->what),
	};
	struct status status;

	if (!plan.program.argv[0])
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

static bool send_acted(struct call *call, struct msg_local_acted *m,
	struct status status)
{
	m->code = status.code;
	m->subject = status.subject;
	m->detail = status.detail;
	m->text = status.text;
	return msg_local_acted_send(call, m);
}

static void answer_at(struct call *call, struct status status, uint64_t at)
{
	struct msg_local_acted m = { .settled = true, .folder = STR_NONE,
		.name = STR_NONE, .at = at };

	if (!send_acted(call, &m, status))
		log_debug("the parent has gone: %m");
}

static void answer(struct call *call, struct status status)
{
	answer_at(call, status, 0);
}

/* ---- Maildirs ---- */

/* The name is durable soon, else qmgr is not told. */
static void publish(struct delivery *delivery, struct maildir_store *store,
	struct maildir_item *item)
{
	struct msg_local_acted m = { .folder = STR_NONE, .name = STR_NONE };
	bool at_once = delivery->m.flags & DELIVER_AT_ONCE;

	maildir_publish(store, delivery->arena, item, 1, at_once);
	if (!status_is_ok(item->status))
		answer(delivery->call, item->status);
	else if (send_acted(delivery->call, &m, item->status) &&
		maildir_settle(store, delivery->arena, item, 1, at_once))
		deliver_settled(delivery);
}

/* The parent flushes, for all of its children together. */
static void publish_shared(struct delivery *delivery,
	struct maildir_store *store, struct maildir_item *item)
{
	const struct msg_local_written written = {
		.device = maildir_device(store, item)
	};
	struct msg_local_publish go;
	struct msg_local_acted m = { .folder = item->folder,
		.name = item->name, .made = item->made };

	if (!msg_local_written_send(delivery->call, &written) ||
		!msg_local_publish_recv(
			delivery->call, &go, span_s(REPORT_S))) {
		maildir_drop(store, delivery->arena, item);
		return;
	}
	if (!go.durable) {
		publish(delivery, store, item);
		return;
	}
	maildir_rename(store, delivery->arena, item, 1);
	if (!status_is_ok(item->status))
		answer(delivery->call, item->status);
	else if (!send_acted(delivery->call, &m, item->status))
		log_debug("the parent has gone: %m");
}

static struct status write_maildir(struct delivery *delivery,
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
		.shares = m->shares,
	};
	item->fresh = is_made;
	item->name = maildir_name(arena, delivery->conf->myhostname, delivery,
		delivery->recipients[0].number,
		item->head.len + delivery->content.size);
	maildir_write(*store, arena, item);
	return item->status;
}

static void act_maildir(struct delivery *delivery,
	const struct msg_local_act *m)
{
	struct maildir_store *store;
	struct maildir_item item;
	struct status status = write_maildir(delivery, m, &store, &item);

	if (!status_is_ok(status))
		answer(delivery->call, status);
	else if (m->shares && !item.is_there)
		publish_shared(delivery, store, &item);
	else
		publish(delivery, store, &item);
}

static void serve_settle(struct call *call)
{
	struct arena *arena = call_arena(call);
	const struct msg_settled settled = { 0 };
	struct msg_local_settle m;
	struct maildir_store *store;
	struct maildir_item item;

	if (!msg_local_settle_recv(call, &m, span_s(RECEIVE_S)))
		return;
	store = find_store(arena, m.base);
	item = (struct maildir_item){
		.folder = m.folder,
		.name = m.name,
		.made = m.made,
		.is_linked = true, /* perhaps */
		.status = STATUS_OK,
		.fd = -1,
	};
	if (store && maildir_settle_alone(store, arena, &item, 1) &&
		!msg_settled_send(call, &settled))
		log_debug("the parent has gone: %m");
}

/* ---- all of it ---- */

static void act(struct delivery *delivery, struct msg_local_act *m)
{
	struct status status = look(delivery);
	uint64_t at = 0;

	if (!status_is_ok(status) || m->act == ACT_LOOK)
		answer(delivery->call, status);
	else if (m->act == ACT_MAILDIR)
		act_maildir(delivery, m);
	else if (m->act == ACT_MBOX) {
		status = act_mbox(delivery, m, &at);
		answer_at(delivery->call, status, at);
	} else if (m->act == ACT_COMMAND)
		answer(delivery->call, act_command(delivery, m));
}

static void serve_act(struct call *call)
{
	struct msg_local_act m;
	struct delivery delivery;

	if (!msg_local_act_recv(call, &m, span_s(RECEIVE_S)))
		return;
	if (deliver_receive(&delivery, room.conf, call) && delivery.count == 1)
		act(&delivery, &m);
	if (delivery.large >= 0)
		close(delivery.large);
}

void child_serve(struct call *call, void *context)
{
	enum msg_kind kind;

	(void)context;
	if (!call_peek(call, &kind, span_s(RECEIVE_S)))
		return;
	if (kind == MSG_local_user)
		lookup_serve(call);
	else if (kind == MSG_local_read)
		serve_read(call);
	else if (kind == MSG_local_act)
		serve_act(call);
	else if (kind == MSG_local_settle)
		serve_settle(call);
	else
		call_fail(call, EPROTO);
}
