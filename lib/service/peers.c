#include "service/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "io/packet.h"
#include "service/programs.h"

enum {
	PROCESSES_MOST = 128,  /* peers of one service */
	ANOTHER_AFTER_MS = 500, /* between requests for one more process */
	ASK_AGAIN_S = 5,       /* master's answer may have got lost */
	CROWDED_MS = 1000,     /* nobody is asked for one that cannot be had */
};

/* A process that serves us. */
struct server {
	struct peer *peer;
	uint64_t pid, most;
};

/* A service that this process calls. */
struct callee {
	char *name;
	struct server servers[PROCESSES_MOST];
	size_t count;
	uint64_t processes; /* worth having, by master's word */
	uint64_t at_once;   /* calls of all of them, likewise; 0: not known */
	struct moment crowded_until; /* there are no more than we have */
	bool is_asking;
	int error;          /* the last answer, for those that wait */
	uint64_t answers;
	struct moment asked;
	struct io_event event;
};

/* A process that we serve. */
struct served {
	struct list link;
	struct peer *peer;
};

static struct {
	struct table *callees;
	struct list served;
} peers;

static void peers_ready(void)
{
	if (peers.callees)
		return;
	peers.callees = table_new();
	list_init(&peers.served);
}

/* ---- whom we serve ---- */

static void serve(struct call *call, void *context)
{
	(void)context;
	if (!work_enter(&self.load->calls))
		return;
	self.service->serve(self.conf, call);
	work_leave(&self.load->calls);
}

static void forget_dead(void)
{
	list_each(link, &peers.served) {
		struct served *served = CONTAINER(link, struct served, link);

		if (peer_is_alive(served->peer))
			continue;
		list_remove(link);
		peer_close(served->peer);
		free(served);
	}
}

static void new_served(const struct msg_introduced *m)
{
	struct served *served;

	peers_ready();
	forget_dead();
	if (!self.service->serve) {
		close(m->socket);
		return;
	}
	served = mem_new(1, sizeof(*served));
	served->peer = peer_open(m->socket, m->service, serve, NULL);
	list_append(&peers.served, &served->link);
	if (self.is_retiring)
		peer_retire(served->peer);
}

void peers_retire(void)
{
	peers_ready();
	list_each(link, &peers.served)
		peer_retire(CONTAINER(link, struct served, link)->peer);
}

bool peers_are_done(void)
{
	peers_ready();
	list_each(link, &peers.served)
		if (!peer_is_done(CONTAINER(link, struct served, link)->peer))
			return false;
	return true;
}

/* ---- whom we call ---- */

static struct callee *find_callee(struct str name)
{
	struct callee *callee;

	peers_ready();
	callee = table_find(peers.callees, name);
	if (callee)
		return callee;
	callee = mem_new(1, sizeof(*callee));
	callee->name = mem_new(1, name.len + 1);
	memcpy(callee->name, name.p, name.len);
	io_event_init(&callee->event);
	table_put(peers.callees, name, callee);
	return callee;
}

static void drop_dead(struct callee *callee)
{
	for (size_t i = 0; i < callee->count;) {
		struct server *server = &callee->servers[i];

		if (peer_is_alive(server->peer) &&
			(peer_takes_calls(server->peer) ||
				peer_calls(server->peer) > 0)) {
			i++;
			continue;
		}
		peer_close(server->peer);
		*server = callee->servers[--callee->count];
	}
}

/* The server with the fewest calls; NULL: none takes any. */
static struct server *least_loaded(struct callee *callee)
{
	struct server *best = NULL;

	for (size_t i = 0; i < callee->count; i++) {
		struct server *server = &callee->servers[i];

		if (peer_takes_calls(server->peer) &&
			(!best || peer_calls(server->peer) <
					peer_calls(best->peer)))
			best = server;
	}
	return best;
}

static void ask(struct callee *callee)
{
	struct str have[PROCESSES_MOST];
	char digits[PROCESSES_MOST][24];
	struct msg_introduce m = {
		.service = str_from(callee->name),
		.have = { .items = have, .count = callee->count },
	};
	auto_buf struct buf body = { 0 };

	for (size_t i = 0; i < callee->count; i++) {
		snprintf(digits[i], sizeof(digits[i]), "%llu",
			(unsigned long long)callee->servers[i].pid);
		have[i] = str_from(digits[i]);
	}
	callee->is_asking = true;
	callee->asked = moment_now();
	msg_introduce_format(&body, &m);
	if (channel_send(MSG_introduce, buf_str(&body)))
		return;
	/* no answer will come: whoever calls next asks again */
	callee->is_asking = false;
	callee->answers++;
	callee->error = errno;
	io_event_wake_all(&callee->event);
}

/* As many calls as it runs at once, and there may be another process. */
static bool should_wait(const struct callee *callee, const struct server *best)
{
	return self.has_master && peer_calls(best->peer) >= best->most &&
		callee->count < PROCESSES_MOST &&
		moment_left(callee->crowded_until).us == 0;
}

/* Is one more process worth asking for? */
static bool wants_another(const struct callee *callee,
	const struct server *best)
{
	size_t calls = peer_calls(best->peer);

	if (callee->is_asking || callee->count >= PROCESSES_MOST ||
		(calls < best->most && (calls < LOAD_BUSY_AT ||
			callee->count >= callee->processes)))
		return false;
	return moment_between(callee->asked, moment_now()).us >=
		ANOTHER_AFTER_MS * 1000;
}

/* ---- stand-alone: sockets of POSTHORN_PEER_..., opened in time ---- */

enum {
	ALONE_MOST = 32,
};

static struct {
	struct str name;
	int fd;
} alone[ALONE_MOST];
static size_t alone_count;

static int open_alone(struct str name)
{
	char variable[128];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path;
	auto_close int fd = -1;

	snprintf(variable, sizeof(variable), "POSTHORN_PEER_%.*s",
		STR_ARG(name));
	path = getenv(variable);
	if (path && sscanf(path, "fd:%d", &fd) == 1) /* sendmail -bs */
		return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd_keep(&fd);
	if (!path || strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
			      sizeof(address)) < 0 ||
		fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		log_warning("%s: %m", variable);
		return -1;
	}
	return fd_keep(&fd);
}

void peers_open_alone(void)
{
	struct str rest = str_from(self.service->calls), name;

	while (alone_count < ALONE_MOST && str_take_item(&rest, " ", &name)) {
		alone[alone_count].name = name;
		alone[alone_count++].fd = open_alone(name);
	}
}

static void connect_alone(struct callee *callee)
{
	callee->answers++;
	callee->error = ENOENT;
	for (size_t i = 0; i < alone_count; i++) {
		if (!str_is(alone[i].name, callee->name) || alone[i].fd < 0)
			continue;
		callee->servers[callee->count++] = (struct server){
			.peer = peer_open(fd_keep(&alone[i].fd),
				str_from(callee->name), NULL, NULL),
			.most = UINT64_MAX,
		};
	}
}

void peers_introduced(struct msg_introduced *m)
{
	struct callee *callee;

	if (!m->caller) {
		if (m->socket >= 0)
			new_served(m);
		return;
	}
	callee = find_callee(m->service);
	drop_dead(callee);
	callee->is_asking = false;
	callee->answers++;
	callee->error = (int)m->status;
	if (m->status)
		callee->crowded_until = moment_after(span_ms(CROWDED_MS));
	if (m->socket >= 0 && callee->count < PROCESSES_MOST) {
		callee->processes = m->processes;
		callee->at_once = m->at_once;
		callee->servers[callee->count++] = (struct server){
			.peer = peer_open(m->socket, m->service, NULL, NULL),
			.pid = m->pid,
			.most = m->most ? m->most : UINT64_MAX,
		};
	} else if (m->socket >= 0) {
		close(m->socket);
	}
	io_event_wake_all(&callee->event);
}

void peers_master_gone(void)
{
	peers_ready();
	for (struct table_walk w = { 0 }; table_next(peers.callees, &w);) {
		struct callee *callee = w.value;

		callee->is_asking = false;
		callee->answers++;
		callee->error = ECONNRESET;
		io_event_wake_all(&callee->event);
	}
}

/* True: look again; an answer that does not come is asked for again. */
static bool wait_for_answer(struct callee *callee, struct moment end)
{
	struct span most = span_s(ASK_AGAIN_S), left = moment_left(end);

	if (io_event_wait(&callee->event, left.us < most.us ? left : most))
		return true;
	if (errno != ETIMEDOUT)
		return false;
	callee->is_asking = false;
	errno = ETIMEDOUT;
	return moment_left(end).us > 0;
}

struct call *service_call_str(struct arena *arena, struct str service,
	struct span timeout)
{
	struct moment end = moment_after(timeout);
	struct callee *callee;
	uint64_t answers;

	if (service.len == 0 || service.len > 64) {
		errno = ENOENT;
		return NULL;
	}
	callee = find_callee(service);
	answers = callee->answers;
	for (;;) {
		struct server *server;

		drop_dead(callee);
		server = least_loaded(callee);
		if (server && should_wait(callee, server)) {
			if (!callee->is_asking)
				ask(callee);
			if (callee->answers == answers &&
				!wait_for_answer(callee, end))
				return NULL;
			answers = callee->answers;
			continue;
		}
		if (server) {
			if (self.has_master && wants_another(callee, server))
				ask(callee);
			return peer_call(server->peer, arena);
		}
		if (callee->answers != answers && callee->error) {
			errno = callee->error;
			return NULL;
		}
		answers = callee->answers;
		if (self.alone)
			connect_alone(callee);
		else if (!self.has_master) {
			errno = ECONNRESET;
			return NULL;
		} else if (!callee->is_asking)
			ask(callee);
		if (callee->answers == answers && !wait_for_answer(callee, end))
			return NULL;
	}
}

uint64_t service_at_once(struct str service)
{
	struct callee *callee;

	peers_ready();
	callee = table_find(peers.callees, service);
	return callee ? callee->at_once : 0;
}

struct call *service_call(struct arena *arena, const char *service,
	struct span timeout)
{
	return service_call_str(arena,
		service_named(self.conf, str_from(service)), timeout);
}

void peers_close(void)
{
	peers_ready();
	for (struct table_walk w = { 0 }; table_next(peers.callees, &w);) {
		struct callee *callee = w.value;

		for (size_t i = 0; i < callee->count; i++)
			peer_close(callee->servers[i].peer);
		callee->count = 0;
	}
	list_each(link, &peers.served)
		peer_close(CONTAINER(link, struct served, link)->peer);
}
