#include "mailbox/parent.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "io/fiber.h"
#include "ipc/messages.h"
#include "mailbox/background.h"
#include "service/child.h"
#include "service/service.h"

enum {
	ANSWER_S = 30,
	HAS_MS = 5,       /* login may have the socket, too, for so long */
	END_MS = 5,       /* an ended connection may be counted so long */
	IDLE_S = 60,      /* a user's process after its last connection */
	SURE_S = 30,      /* ... so that it stays so long for sure */
	LINGER_S = 5,     /* its open store */
	HELPERS = 2,
	EXTRAS_MOST = 100, /* POSTHORN_CLIENTS */
	GOODBYE_S = 5,
	CRASHES_MOST = 3, /* within CRASH_S: refused until then */
	CRASH_S = 60,
	CONNECTIONS_MOST = 200, /* of one user */
	CEILING = 300 * 1024 * 1024, /* of one connection's memory */
};

struct user {
	char *name, *mail;
	uint32_t sys_uid, sys_gid;
	struct peer *peer; /* NULL: no process */
	int pid;
	struct moment sure_until; /* the process is at work, and stays */
	unsigned crashes;
	struct moment last_crash;
	size_t connections;
};

/* A connection that lives in a user's process, or is on the way to it. */
struct passed {
	struct list link;
	struct arena *arena;
	struct call *call;
	struct user *user;
	bool is_there;
};

/* In the parent; in a user's process only `service` and `store` count. */
static struct {
	const struct mailbox_service *service;
	struct table *users;
	struct list passed; /* struct passed */
	struct mailbox_store *store;
	size_t sessions;
	bool is_ending;
	struct list connections; /* struct connection */
	bool is_closing;        /* the store; LMDB must not be open twice */
	struct io_event closed;
	struct fiber *lingerer; /* closes the store; NULL: none */
	struct moment left;     /* when the last connection ended */
} all;

/* ---- in the user's process ---- */

static bool use_store(const char *mail)
{
	while (all.is_closing)
		if (!io_event_wait(&all.closed, SPAN_FOREVER))
			return false;
	if (!all.store)
		all.store = mailbox_store_open(mail);
	if (all.store)
		all.sessions++;
	return all.store != NULL;
}

/* It leaves the index clean: a power cut does no harm then. */
static void close_store(void)
{
	struct mailbox_store *store = all.store;

	all.store = NULL;
	all.is_closing = true;
	mailbox_store_close(store);
	all.is_closing = false;
	io_event_wake_all(&all.closed);
}

/* What is left to do in the background is done, as long as the process is. */
static struct span to_linger(void)
{
	struct span gone = moment_between(all.left, moment_now());

	if (all.sessions > 0)
		return span_s(LINGER_S);
	if (gone.us < span_s(LINGER_S).us)
		return span_us(span_s(LINGER_S).us - gone.us);
	return all.store && mailbox_background_is_behind(all.store) ?
		span_s(1) : span_s(0);
}

/* Fiber: the next connection finds the store open, for some time. */
static void linger(void *context)
{
	struct span left;

	(void)context;
	do
		left = to_linger();
	while (left.us > 0 && io_sleep(left));
	io_uncancel();
	if (all.sessions == 0 && all.store)
		close_store();
	all.lingerer = NULL;
}

static void leave_store(void)
{
	all.left = moment_now();
	if (--all.sessions > 0)
		return;
	if (all.is_ending) {
		close_store();
		return;
	}
	if (all.store->takes_text)
		mailbox_background_inbox(all.store);
	if (!all.lingerer)
		all.lingerer = io_spawn("mailbox linger", linger, NULL);
}

static void rest(void *context)
{
	(void)context;
	if (all.store)
		index_rest(all.store->index);
}

static void run_session(struct mailbox_login *login, const char *mail)
{
	if (!use_store(mail)) {
		io_text(login->io, all.service->unavailable);
		if (!io_flush(login->io, span_s(ANSWER_S)))
			log_debug("%.*s: %m", STR_ARG(login->user));
		return;
	}
	login->store = all.store;
	all.service->session(login);
	leave_store();
}

/* A fiber that is cancelled when the suite stops. */
struct connection {
	struct list link;
	struct fiber *fiber;
};

/* Everybody is told goodbye, and the index is left clean. */
static void finish_in_child(void *context)
{
	struct moment end = moment_after(span_s(GOODBYE_S));

	(void)context;
	all.is_ending = true;
	list_each (at, &all.connections)
		io_cancel(CONTAINER(at, struct connection, link)->fiber);
	if (all.lingerer)
		io_cancel(all.lingerer);
	while ((all.sessions > 0 || all.is_closing || all.lingerer) &&
		moment_left(end).us > 0)
		if (!io_sleep(span_ms(10)))
			break;
}

static void serve_in_child(struct call *call, void *context)
{
	const struct user *user = context;
	const struct msg_handed_over done = { 0 };
	struct msg_handover m;
	struct arena *arena auto_arena = NULL;
	struct connection self = { .fiber = io_self() };
	struct mailbox_login login;

	if (!msg_handover_recv(call, &m, span_s(ANSWER_S)))
		return;
	if (m.socket < 0 || (!m.silent && !msg_handed_over_send(call, &done))) {
		base_close(&m.socket);
		return;
	}
	call_defer(call, span_ms(END_MS));
	arena = arena_new(CEILING);
	login = (struct mailbox_login){ .io = stream_open(arena, m.socket),
		.arena = arena, .user = str_from(user->name),
		.tag = arena_copy(arena, m.tag), .is_utf8 = m.utf8,
		.language = arena_copy(arena, m.language) };
	stream_give_input(login.io, m.input);
	stream_wait_first(login.io);
	list_append(&all.connections, &self.link);
	run_session(&login, user->mail);
	list_remove(&self.link);
}

/* With the directories above it that are missing. */
static bool make_path(const char *path)
{
	struct arena *arena auto_arena = arena_new(0);
	char *copy = arena_cstr(arena, str_from(path));

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (access(copy, F_OK) < 0 && mkdir(copy, 0700) < 0 &&
			errno != EEXIST)
			return false;
		*p = '/';
	}
	return mkdir(copy, 0700) == 0 || errno == EEXIST;
}

/* The directory of a location. */
static const char *path_of(struct arena *arena, const char *mail)
{
	struct mailbox_place place = { .layout = &layout_plusplus };
	struct str path;

	if (!layout_of_location(str_from(mail), &path, &place))
		return mail;
	return arena_cstr(arena, path);
}

/* What is the parent's: other users, their connections, and those to come. */
static void drop_others(const struct user *own)
{
	struct list *link;

	for (struct table_walk w = { 0 }; table_next(all.users, &w);) {
		struct user *user = w.value;

		if (user == own)
			continue;
		free(user->name);
		free(user->mail);
		free(user);
	}
	table_free(all.users);
	while ((link = list_shift(&all.passed))) {
		struct passed *passed = CONTAINER(link, struct passed, link);

		arena_abandon(passed->arena);
		free(passed);
	}
}

/* The mail's directory is made by its owner, before Landlock looks at it. */
static void prepare_in_child(void *context)
{
	const struct user *user = context;
	struct arena *arena auto_arena = arena_new(0);
	const char *path = path_of(arena, user->mail);
	bool root = geteuid() == 0;

	drop_others(user);
	io_when_calm(rest, NULL);
	if (root && (setgroups(0, NULL) < 0 ||
		setegid(user->sys_gid) < 0 || seteuid(user->sys_uid) < 0)) {
		log_warning("user %s: %m", user->name);
		_exit(75);
	}
	if (!make_path(path))
		log_warning("user %s: make %s: %m", user->name, path);
	if (root && (seteuid(0) < 0 || setegid(0) < 0)) {
		log_warning("user %s: %m", user->name);
		_exit(75);
	}
}

/* ---- users ---- */

static char *copy_of(struct str s)
{
	char *copy = s.p ? strndup(s.p, s.len) : strdup("");

	if (!copy)
		starved("out of memory");
	return copy;
}

/* What the location does not say is as main.cf says; NULL: a layout that
 * there is not. */
static char *complete(struct str location, const struct conf *conf)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_place place = {
		.layout = layout_find(conf->mailbox_layout),
		.utf8 = conf->mailbox_list_utf8,
	};
	struct str path;

	if (!layout_of_location(location, &path, &place))
		return NULL;
	return copy_of(layout_location(arena, path, &place));
}

/* "maildir:~/Maildir" with the home; NULL: a format that we do not have. */
static char *location_of(const struct conf *conf,
	const struct msg_auth_grant *m)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str path = m->mail;

	if (!str_take_prefix(&path, STR("maildir:")) &&
		!str_starts(path, STR("/")))
		return NULL;
	if (str_take_prefix(&path, STR("~/")))
		path = arena_fmt(arena, "%.*s/%.*s", STR_ARG(m->home),
			STR_ARG(path));
	if (!str_starts(path, STR("/")) || memchr(path.p, 0, path.len))
		return NULL;
	return complete(path, conf);
}

static void drop_process(struct user *user)
{
	if (user->peer)
		peer_close(user->peer);
	user->peer = NULL;
	user->pid = 0;
	user->sure_until = (struct moment){ 0 };
}

/* `mail` is kept, or freed. */
static void move_to(struct user *user, char *mail,
	const struct msg_auth_grant *m)
{
	free(user->mail);
	user->mail = mail;
	user->sys_uid = (uint32_t)m->sys_uid;
	user->sys_gid = (uint32_t)m->sys_gid;
}

/* NULL: a grant that says nothing that we could do. */
static struct user *user_of(const struct conf *conf,
	const struct msg_auth_grant *m)
{
	char *mail = location_of(conf, m);
	struct user *user;

	if (!mail)
		log_warning("user %.*s: mail location %.*s is not supported",
			STR_ARG(m->user), STR_ARG(m->mail));
	if (!mail || m->user.len == 0 || m->sys_uid > UINT32_MAX ||
		m->sys_gid > UINT32_MAX) {
		free(mail);
		return NULL;
	}
	user = table_find(all.users, m->user);
	if (!user) {
		user = mem_new(1, sizeof(*user));
		user->name = copy_of(m->user);
		table_put(all.users, str_from(user->name), user);
	}
	/* Another place or owner than before: not in the process of before. */
	if (user->mail && (strcmp(user->mail, mail) != 0 ||
		user->sys_uid != m->sys_uid || user->sys_gid != m->sys_gid))
		drop_process(user);
	move_to(user, mail, m);
	return user;
}

static void drop_ended(void)
{
	list_each (at, &all.passed) {
		struct passed *p = CONTAINER(at, struct passed, link);

		if (!p->is_there || call_is_alive(p->call))
			continue;
		list_remove(at);
		p->user->connections--;
		call_close(p->call);
		arena_free(p->arena);
		free(p);
	}
}

/* Those that ended a moment ago may still be counted, and those of which we do
 * not know yet, as nobody waits for their end. */
static bool has_too_many(const struct user *user)
{
	if (user->connections >= CONNECTIONS_MOST)
		drop_ended();
	if (user->connections >= CONNECTIONS_MOST &&
		io_sleep(span_ms(2 * END_MS)))
		drop_ended();
	return user->connections >= CONNECTIONS_MOST;
}

static bool is_refused(struct user *user)
{
	struct span since = moment_between(user->last_crash, moment_now());

	if (since.us > span_s(CRASH_S).us)
		user->crashes = 0;
	return user->crashes >= CRASHES_MOST;
}

static bool begin_process(struct user *user)
{
	struct arena *arena auto_arena = arena_new(0);
	const char *const paths[] = {
		arena_fmt(arena, "w:%s", path_of(arena, user->mail)).p,
		"r:/proc/sys/kernel/random/boot_id", NULL,
	};
	const struct child_plan plan = {
		.name = str_from(user->name),
		.sandbox = { .profile = PROFILE_MAILBOX,
			.sys_uid = user->sys_uid, .sys_gid = user->sys_gid,
			.paths = paths },
		.helper_threads = HELPERS,
		.idle = span_s(IDLE_S),
		.pid = &user->pid,
		.prepare = prepare_in_child,
		.serve = serve_in_child,
		.finish = finish_in_child,
		.context = user,
	};

	user->peer = child_fork(&plan);
	if (!user->peer)
		log_warning("user %s: no process: %m", user->name);
	return user->peer != NULL;
}

/* Whether the connection is there for sure is asked of a process that is new,
 * or may be about to end, only: for others the answer would be a message and
 * two wake-ups more. One that crashes takes its connections with it. */
static bool pass_once(struct user *user, const struct msg_handover *m,
	struct passed *passed)
{
	struct msg_handed_over done = { 0 };
	struct msg_handover to_child = *m;

	if (user->peer && !peer_takes_calls(user->peer))
		drop_process(user);
	if (!user->peer && !begin_process(user))
		return false;
	to_child.silent = moment_left(user->sure_until).us > 0;
	passed->call = peer_call(user->peer, passed->arena);
	if (!passed->call || !msg_handover_send(passed->call, &to_child) ||
		(!to_child.silent && !msg_handed_over_recv(passed->call, &done,
			span_s(ANSWER_S))) || done.status != 0)
		return false;
	user->sure_until = moment_after(span_s(SURE_S));
	return true;
}

/* 0 or an errno. A process that was just about to end leaves the second
 * attempt to a fresh one. */
static int pass_on(struct user *user, const struct msg_handover *m)
{
	struct passed *passed;

	if (is_refused(user) || has_too_many(user))
		return EAGAIN;
	passed = mem_new(1, sizeof(*passed));
	passed->user = user;
	passed->arena = arena_new_small(0); /* of a call and its answer */
	list_append(&all.passed, &passed->link);
	for (int attempt = 0; attempt < 2; attempt++) {
		if (pass_once(user, m, passed)) {
			user->connections++;
			passed->is_there = true;
			return 0;
		}
		if (user->peer && peer_is_alive(user->peer))
			break;
	}
	list_remove(&passed->link);
	arena_free(passed->arena);
	free(passed);
	return EAGAIN;
}

static void take_grant(const struct conf *conf, struct call *call)
{
	struct msg_auth_grant grant;
	struct msg_handed_over done = { .status = EACCES };
	struct msg_handover m;
	struct user *user;

	if (!msg_auth_grant_recv(call, &grant, span_s(ANSWER_S)) ||
		!msg_handover_recv(call, &m, span_s(ANSWER_S)))
		return;
	user = m.socket < 0 ? NULL : user_of(conf, &grant);
	if (user)
		done.status = (uint64_t)pass_on(user, &m);
	base_close(&m.socket);
	if (done.status == 0 && !m.tls)
		call_defer(call, span_ms(HAS_MS));
	if (!msg_handed_over_send(call, &done))
		log_debug("auth has gone: %m");
}

/* One connection a call: its end leaves with the answer. */
void mailbox_parent_serve(const struct conf *conf, struct call *call)
{
	enum msg_kind kind;

	if (!call_peek(call, &kind, SPAN_FOREVER))
		return;
	if (kind == MSG_auth_grant && str_is(call_peer_name(call), "auth")) {
		take_grant(conf, call);
	} else {
		log_warning("unexpected message from %.*s",
			STR_ARG(call_peer_name(call)));
		call_fail(call, EPROTO);
	}
}

/* ---- what ends ---- */

static void note_crash(int pid)
{
	for (struct table_walk w = { 0 }; table_next(all.users, &w);) {
		struct user *user = w.value;

		if (user->pid != pid)
			continue;
		user->crashes++;
		user->last_crash = moment_now();
		log_warning("user %s: its process crashed", user->name);
	}
	service_replace();
}

/* Fiber: connections and processes that ended. */
static void look_after(void *context)
{
	(void)context;
	while (io_event_wait(peer_news(), SPAN_FOREVER)) {
		int crashed;

		drop_ended();
		/* The socket ends a moment before its process. */
		if (!io_sleep(span_ms(50)))
			break;
		drop_ended();
		while (child_reap(&crashed) > 0)
			if (crashed)
				note_crash(crashed);
		for (struct table_walk w = { 0 };
			table_next(all.users, &w);) {
			struct user *user = w.value;

			if (user->peer && !peer_is_alive(user->peer))
				drop_process(user);
		}
	}
}

void mailbox_parent_prepare(const struct conf *conf)
{
	if (!layout_find(conf->mailbox_layout))
		log_fatal("mailbox_layout: %.*s is neither maildir++ nor fs",
			STR_ARG(conf->mailbox_layout));
}

void mailbox_parent_start(const struct mailbox_service *service)
{
	all.service = service;
	io_event_init(&all.closed); /* children inherit it */
	list_init(&all.connections);
	if (service_is_alone())
		return;
	all.users = table_new();
	list_init(&all.passed);
	io_spawn("users", look_after, NULL);
}

/* Reload: the successor works already, connections stay until they end. Stop:
 * the users' processes see that we are gone. */
void mailbox_parent_finish(void)
{
	while (!list_is_empty(&all.passed) && !service_is_ending())
		if (!io_event_wait(peer_news(), span_s(1)) &&
			errno != ETIMEDOUT)
			break;
}

/* ---- -s ---- */

struct extra {
	int fd;
	const char *mail;
	uint64_t *left;
	struct io_event *ended;
};

static void run_alone(const char *mail, struct stream *io,
	struct arena *arena)
{
	struct mailbox_login login = { .io = io, .arena = arena,
		.user = str_from(getenv("POSTHORN_USER")), .tag = STR_NONE,
		.language = STR("") };

	run_session(&login, mail);
}

static void run_extra(void *context)
{
	struct extra *extra = context;
	struct arena *arena = arena_new(CEILING);

	run_alone(extra->mail, stream_open(arena, extra->fd), arena);
	arena_free(arena);
	(*extra->left)--;
	io_event_wake_all(extra->ended);
}

void mailbox_alone(const struct mailbox_service *service,
	const struct conf *conf, struct stream *io, struct arena *arena)
{
	const char *user = getenv("POSTHORN_USER");
	const char *mail = getenv("POSTHORN_MAIL");
	const char *more = getenv("POSTHORN_CLIENTS");
	struct io_event ended;
	uint64_t left = 0;
	struct extra *extras;

	if (!user || !mail)
		log_fatal("%s -s needs POSTHORN_USER and POSTHORN_MAIL",
			service->name);
	if (more && !str_parse_u64(str_from(more), EXTRAS_MOST, &left))
		log_fatal("POSTHORN_CLIENTS is no number up to %d",
			EXTRAS_MOST);
	mail = complete(str_from(mail), conf);
	if (!mail)
		log_fatal("POSTHORN_MAIL: there is no such layout");
	all.service = service;
	io_event_init(&all.closed);
	list_init(&all.connections); /* .start may run later than this */
	io_event_init(&ended);
	extras = arena_array(arena, left + 1, sizeof(*extras));
	for (size_t i = left; i-- > 0;) {
		extras[i] = (struct extra){ (int)i + 3, mail, &left, &ended };
		io_spawn("client", run_extra, &extras[i]);
	}
	run_alone(mail, io, arena);
	while (left > 0)
		if (!io_event_wait(&ended, SPAN_FOREVER))
			break;
	finish_in_child(NULL);
}
