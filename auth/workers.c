/*
 * Workers: children without a file but passwd(5), who compute hashes, one at a
 * time each, and look accounts up. There are as many as CPUs at most; who comes
 * when all are busy waits.
 */
#include "auth.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "auth/password.h"
#include "base/log.h"
#include "service/child.h"

enum {
	WORKERS_MOST = 16,
	IDLE_S = 600,
	ANSWER_S = 60,
	QUEUE_S = 60, /* for a worker to be free */
	REAP_S = 5,
};

static struct {
	struct peer *peer; /* NULL: none yet, or it is gone */
	bool busy;
} workers[WORKERS_MOST];

static size_t worker_count;
static struct io_gate gate;

/* ---- in the worker ---- */

static bool serve_check(struct call *call)
{
	struct msg_auth_check m;
	struct msg_auth_checked answer;

	if (!msg_auth_check_recv(call, &m, span_s(ANSWER_S)))
		return false;
	answer.fits = password_fits(m.hash, m.password);
	explicit_bzero((char *)(uintptr_t)m.password.p, m.password.len);
	return msg_auth_checked_send(call, &answer);
}

static bool serve_account(struct call *call)
{
	struct msg_auth_account m;
	struct msg_auth_account_is answer = { .home = STR("") };
	const struct passwd *entry;

	if (!msg_auth_account_recv(call, &m, span_s(ANSWER_S)))
		return false;
	errno = 0;
	entry = getpwnam(arena_cstr(call_arena(call), m.name));
	if (entry) {
		answer.home = str_from(entry->pw_dir);
		answer.sys_uid = entry->pw_uid;
		answer.sys_gid = entry->pw_gid;
	} else {
		answer.status = errno ? (uint64_t)errno : ENOENT;
	}
	return msg_auth_account_is_send(call, &answer);
}

static void serve(struct call *call, void *context)
{
	enum msg_kind kind;

	(void)context;
	if (!call_peek(call, &kind, span_s(ANSWER_S)))
		return;
	if (kind == MSG_auth_check ? !serve_check(call) :
		kind != MSG_auth_account || !serve_account(call))
		log_debug("worker: %m");
}

/* ---- in the front ---- */

/* NSS reads its configuration and loads its modules now. */
void workers_open(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	worker_count = cpus < 2 ? 2 : cpus > WORKERS_MOST ? WORKERS_MOST :
							    (size_t)cpus;
	if (!getpwnam("root"))
		log_debug("no account root: %m");
}

static void reap(void *context)
{
	int crashed;

	(void)context;
	while (io_sleep(span_s(REAP_S)))
		child_reap(&crashed);
}

void workers_start(void)
{
	io_gate_init(&gate, worker_count);
	io_spawn("reap", reap, NULL);
}

static struct peer *fork_worker(void)
{
	static const char *const paths[] = { "r:/etc/passwd",
		"r:/etc/nsswitch.conf", NULL };
	const struct child_plan plan = {
		.name = STR("worker"),
		.sandbox = { .profile = PROFILE_HASH, .sys_uid = geteuid(),
			.sys_gid = getegid(), .paths = paths },
		.idle = span_s(IDLE_S),
		.serve = serve,
	};
	struct peer *peer = child_fork(&plan);

	if (!peer)
		log_warning("cannot start a worker: %m");
	return peer;
}

/* A call to a worker that does nothing else; *at: which. */
static struct call *begin(struct arena *arena, size_t *at)
{
	struct peer **peer;

	if (!io_gate_enter(&gate, span_s(QUEUE_S)))
		return NULL;
	for (*at = 0; workers[*at].busy; (*at)++)
		;
	workers[*at].busy = true;
	peer = &workers[*at].peer;
	if (*peer && !peer_takes_calls(*peer)) {
		peer_close(*peer);
		*peer = NULL;
	}
	if (!*peer)
		*peer = fork_worker();
	return *peer ? peer_call(*peer, arena) : NULL;
}

static void finish(struct call *call, size_t at)
{
	if (call)
		call_close(call);
	workers[at].busy = false;
	io_gate_leave(&gate);
}

bool workers_check(struct arena *arena, struct str hash, struct str password,
	bool *fits)
{
	const struct msg_auth_check ask = { .hash = hash,
		.password = password };
	struct msg_auth_checked answer;
	size_t at = WORKERS_MOST;
	struct call *call = begin(arena, &at);
	bool good = call && msg_auth_check_send(call, &ask) &&
		msg_auth_checked_recv(call, &answer, span_s(ANSWER_S));

	if (at < WORKERS_MOST)
		finish(call, at);
	*fits = good && answer.fits;
	return good;
}

bool workers_account(struct arena *arena, struct str name,
	struct msg_auth_account_is *is)
{
	const struct msg_auth_account ask = { .name = name };
	size_t at = WORKERS_MOST;
	struct call *call = begin(arena, &at);
	bool good = call && msg_auth_account_send(call, &ask) &&
		msg_auth_account_is_recv(call, is, span_s(ANSWER_S));

	if (at < WORKERS_MOST)
		finish(call, at);
	return good;
}
