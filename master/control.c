#include "master/state.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUEST_MOST = 2048, ANSWER_MOST = 60 * 1024, CONTROL_CALL = 1 };

enum who { ANYONE, FLUSHER, OWNER };

struct request {
	int client; /* taken by a verb that answers later: -1 then */
	struct str argument;
	int report; /* -1: none; taken likewise */
};

/* ---- answers ---- */

void control_answer(int fd, int status, struct str text)
{
	auto_buf struct buf body = { 0 }, out = { 0 };
	struct msg_controlled m = { .status = (uint64_t)status,
		.text = str_first(text, ANSWER_MOST) };
	struct frame frame = { .call = CONTROL_CALL, .kind = MSG_controlled };

	msg_controlled_format(&body, &m);
	frame.body = buf_str(&body);
	frame_format(&out, &frame);
	if (send(fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("answer to a command: %m");
	close(fd);
}

static void answer(struct request *r, int status, struct str text)
{
	control_answer(fd_keep(&r->client), status, text);
}

/* ---- verbs ---- */

static void verb_status(struct request *r)
{
	char text[64];

	snprintf(text, sizeof(text), "%d", (int)getpid());
	answer(r, 0, str_from(text));
}

static void format_row(struct buf *out, const struct row *row)
{
	uint64_t clients = 0, calls = 0, total = 0;

	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		const struct child *c = &state.children[i];

		if (c->row != row || c->state == CHILD_NONE)
			continue;
		clients += c->load->clients;
		calls += c->load->calls;
		total += c->load->total;
	}
	buf_fmt(out, "%s/%s %s processes=%zu clients=%llu calls=%llu "
		"total=%llu%s%s\n", row->name, master_cf_type_name(row->type),
		row->command, children_of(row, true),
		(unsigned long long)clients, (unsigned long long)calls,
		(unsigned long long)total,
		moment_left(row->throttled_until).us > 0 ? " throttled" : "",
		row->vain ? " lacks_port" : "");
}

static void verb_services(struct request *r)
{
	auto_buf struct buf text = { 0 };

	for (size_t i = 0; i < state.row_count; i++)
		format_row(&text, &state.rows[i]);
	answer(r, 0, buf_str(&text));
}

static void verb_reload(struct request *r)
{
	if (state.stage > STAGE_RUNNING || state.checker)
		answer(r, EBUSY, STR("busy with the last request"));
	else
		reload_begin(fd_keep(&r->client));
}

static void verb_stop(struct request *r)
{
	answer(r, 0, STR(""));
	stop_begin("terminating on signal 15", span_s(5), false);
}

static void verb_quick_stop(struct request *r)
{
	answer(r, 0, STR(""));
	stop_begin("terminating on signal 15", span_us(0), false);
}

static void verb_drain(struct request *r)
{
	answer(r, 0, STR(""));
	stop_begin("draining", SPAN_FOREVER, true);
}

static void verb_abort(struct request *r)
{
	answer(r, 0, STR(""));
	stop_abort();
}

static void kick(struct request *r, struct str service, struct str request)
{
	struct row *row = row_find(service);

	if (!row) {
		answer(r, ENOENT, STR("no such service"));
		return;
	}
	wakeup_send(row, request);
	answer(r, 0, STR(""));
}

static void verb_flush(struct request *r)
{
	kick(r, service_named(state.conf, STR("qmgr")), STR("FDA"));
}

static void verb_kick(struct request *r)
{
	struct str service = str_take_word(&r->argument);

	kick(r, service, str_trim(r->argument));
}

static void verb_rotate(struct request *r)
{
	for (size_t i = 0; i < CHILDREN_MOST; i++) {
		struct child *c = &state.children[i];

		if (c->state == CHILD_READY && c->row &&
			strcmp(c->program, "postlogd") == 0)
			wakeup_send(c->row, STR("rotate"));
	}
	answer(r, 0, STR(""));
}

static void verb_probe(struct request *r)
{
	for (size_t i = 0; i < state.row_count; i++) {
		struct row *row = &state.rows[i];

		if (!str_is(r->argument, row->name) &&
			!str_is(r->argument, row->command))
			continue;
		if (r->report >= 0 && row->path &&
			child_probe(row, fd_keep(&r->report)))
			answer(r, 0, str_from(row->command));
		else
			answer(r, EAGAIN, STR("cannot start it"));
		return;
	}
	answer(r, ENOENT, STR("no such service"));
}

static const struct verb {
	const char *name;
	enum who who;
	void (*run)(struct request *r);
} verbs[] = {
#define VERB(name, who, doc) { #name, who, verb_##name },
#include "master/verbs.def"
#undef VERB
};

/* ---- who may ---- */

static bool is_owner(uint32_t sys_uid)
{
	auto_arena struct arena *arena = arena_new(0);
	const struct passwd *owner;

	if (sys_uid == 0 || sys_uid == geteuid())
		return true;
	owner = getpwnam(arena_cstr(arena, state.conf->mail_owner));
	return owner && owner->pw_uid == sys_uid;
}

/* static:anyone, or names of users; a table is not looked at here. */
static bool is_flusher(uint32_t sys_uid)
{
	struct str list = state.conf->authorized_flush_users, item;
	const struct passwd *user = getpwuid(sys_uid);

	while (str_take_item(&list, ", \t", &item)) {
		bool is_not = str_take_char(&item, '!');

		if (str_starts(item, STR("static:")) ||
			(user && str_is(item, user->pw_name)))
			return !is_not;
	}
	return false;
}

static bool is_allowed(const struct verb *verb, uint32_t sys_uid)
{
	return verb->who == ANYONE || is_owner(sys_uid) ||
		(verb->who == FLUSHER && is_flusher(sys_uid));
}

/* ---- requests ---- */

static void run_request(struct request *r, struct str verb, uint32_t sys_uid)
{
	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (!str_is(verb, verbs[i].name))
			continue;
		if (is_allowed(&verbs[i], sys_uid))
			verbs[i].run(r);
		else
			answer(r, EPERM, STR("not permitted"));
		return;
	}
	answer(r, EINVAL, STR("unknown request"));
}

static void take_request(struct control *control, struct str packet, int fd)
{
	struct request r = { .client = control->fd - 1, .report = fd };
	struct msg_control m;
	struct frame frame;

	loop_remove(control->fd - 1);
	control->fd = 0;
	if (!frame_take(&packet, &frame) || packet.len > 0 ||
		frame.kind != MSG_control ||
		!msg_control_parse(frame.body, &m)) {
		answer(&r, EPROTO, STR("malformed request"));
	} else {
		r.argument = m.argument;
		run_request(&r, m.verb, control->sys_uid);
	}
	base_close(&r.report);
	base_close(&r.client);
}

static void hang_up(struct control *control)
{
	loop_remove(control->fd - 1);
	close(control->fd - 1);
	control->fd = 0;
}

/* At most one descriptor, and only a pipe. */
static int take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		c->cmsg_len < CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	if (msg_file_is(fd, MSG_FILE_PIPE))
		return fd;
	close(fd);
	return -1;
}

void control_event(size_t number)
{
	struct control *control = &state.controls[number];
	char packet[REQUEST_MOST];
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))]; /* surplus: the kernel's */
	} room;
	struct iovec piece = { .iov_base = packet, .iov_len = sizeof(packet) };
	struct msghdr msg = { .msg_iov = &piece, .msg_iovlen = 1,
		.msg_control = &room, .msg_controllen = sizeof(room.room) };
	ssize_t len;

	int fd;

	if (!control->fd)
		return;
	len = recvmsg(control->fd - 1, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A packet without octets can have one, too. */
	fd = len < 0 ? -1 : take_descriptor(&msg);
	if (len > 0) {
		take_request(control, str_of(packet, (size_t)len), fd);
		return;
	}
	base_close(&fd);
	hang_up(control);
}

static bool is_stranger(uint32_t sys_uid)
{
	return sys_uid != 0 && sys_uid != geteuid();
}

/* Who connects says what he wants at once: where all places are taken, the one
 * who has been silent for the longest loses his, strangers before root. NULL: a
 * stranger gets none of root's. */
static struct control *find_place(uint32_t sys_uid)
{
	struct control *oldest = NULL;

	for (size_t i = 0; i < CONTROLS_MOST; i++) {
		struct control *c = &state.controls[i];

		if (!c->fd)
			return c;
		if (!oldest || is_stranger(c->sys_uid) >
					is_stranger(oldest->sys_uid) ||
			(is_stranger(c->sys_uid) ==
					is_stranger(oldest->sys_uid) &&
				c->since.us < oldest->since.us))
			oldest = c;
	}
	if (is_stranger(sys_uid) && !is_stranger(oldest->sys_uid))
		return NULL;
	hang_up(oldest);
	return oldest;
}

void control_accept(void)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct control *control;
	auto_close int fd = accept4(state.control_listener, NULL, NULL,
		SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	control = find_place(peer.uid);
	if (!control || !loop_add(fd, SOURCE_CLIENT,
				(size_t)(control - state.controls)))
		return; /* the command says that master is busy */
	*control = (struct control){ .fd = fd_keep(&fd) + 1,
		.sys_uid = peer.uid, .since = moment_now() };
}

bool control_start(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX,
		SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path),
		    "%.*s/public/control",
		    STR_ARG(state.conf->queue_directory)) >=
		sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	unlink(address.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address,
			      sizeof(address)) < 0 ||
		chmod(address.sun_path, 0666) < 0 || listen(fd, 16) < 0)
		return false;
	state.control_listener = fd_keep(&fd);
	return loop_add(state.control_listener, SOURCE_CONTROL, 0);
}
