/*
 * querymap - tables of database servers, for all other daemons: pgsql:, mysql:,
 * sqlite:, ldap:.
 *
 * Room       user posthorn-map; keys of lookups come in; the client libraries
 *            run in forked workers of a table each, one question at a time
 * Gets       `map_find` calls
 * Calls      nobody
 *
 * A worker that does not answer in time is killed: the lookup ends in a
 * temporary error, and the next one has a new worker.
 */
#include "base/log.h"
#include "base/table.h"
#include "config/list.h"
#include "ipc/messages.h"
#include "maps/settings.h"
#include "maps/survey.h"
#include "service/child.h"
#include "service/service.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum {
	WORKERS_MOST = 8, /* of one table */
	PATHS_MOST = 24,
	IDLE_S = 1000,
	WORKER_IDLE_S = 120,
	QUEUE_S = 60, /* for a worker to be free */
	ANSWER_S = 45,
	REAP_S = 5,
};

static const enum param params[] = { daemon_directory, config_directory,
	PARAMS_END };

struct worker {
	struct peer *peer; /* NULL: none yet, or it is gone */
	int pid;
	bool busy;
};

struct queried {
	struct map *map;
	struct io_gate gate;
	struct worker workers[WORKERS_MOST];
	const char *paths[PATHS_MOST + 1]; /* for Landlock */
};

/* The process's one state: "type:name" -> struct queried. */
static struct {
	struct arena *arena;
	struct table *all;
} tables;

/* ---- before the sandbox closes ---- */

static void add_path(struct queried *queried, struct str path)
{
	size_t count = 0;

	while (queried->paths[count])
		count++;
	if (count == PATHS_MOST || path.len == 0 || path.p[0] != '/')
		return;
	queried->paths[count] =
		arena_fmt(tables.arena, "r:%.*s", STR_ARG(path)).p;
	sandbox_allow('r', queried->paths[count] + 2);
}

/* What the client libraries read, and what this table's settings name. */
static void add_paths(const struct conf *conf, struct queried *queried,
	struct str type, struct str name)
{
	static const char *const always[] = { "/etc", "/run", "/usr/share",
		"/usr/lib", "/var/run" };
	static const char *const named[] = { "tls_ca_cert_dir",
		"tls_ca_cert_file", "tls_cert", "tls_key", "tls_key_file",
		"tls_cert_file", "tls_CAfile", "tls_CApath", "option_file" };
	struct map_opening opening = { .arena = tables.arena, .conf = conf,
		.type = type, .name = name };
	struct settings *settings = settings_open(&opening);
	struct str file;

	for (size_t i = 0; i < COUNT(always); i++)
		add_path(queried, str_from(always[i]));
	if (!settings)
		return;
	for (size_t i = 0; i < COUNT(named); i++)
		add_path(queried, settings_text_or(settings, named[i], ""));
	file = settings_text_or(settings, "dbpath", "");
	if (file.len > 0) /* and its journal, beside it */
		add_path(queried, str_first(file, str_rfind_char(file, '/')));
}

static void open_found(void *context, struct str table)
{
	const struct conf *const *conf = context;
	struct queried *queried;
	struct str type, name;

	if (!list_split_table(table, &type, &name) ||
		map_driver_find(type)->needs != MAPS_BLOCKS ||
		table_find(tables.all, table))
		return;
	queried = arena_new_of(tables.arena, struct queried);
	io_gate_init(&queried->gate, WORKERS_MOST);
	queried->map = map_open(tables.arena, *conf, NULL, table,
		MAPS_BLOCKS | MAPS_KEEP_CASE, 0);
	add_paths(*conf, queried, type, name);
	table_put(tables.all, table, queried);
}

static void prepare(const struct conf *conf)
{
	tables.arena = arena_new(0);
	tables.all = table_new();
	maps_survey(conf, open_found, &conf);
}

static void reap(void *context)
{
	int crashed;

	(void)context;
	while (io_sleep(span_s(REAP_S)))
		child_reap(&crashed);
}

static void start(const struct conf *conf)
{
	(void)conf;
	io_spawn("reap", reap, NULL);
	maps_watch();
}

/* ---- in the worker ---- */

static void work(struct call *call, void *context)
{
	const struct queried *queried = context;
	struct arena *arena = call_arena(call);
	struct msg_map_find m;
	struct msg_map_found found = { .value = STR_NONE };

	if (!msg_map_find_recv(call, &m, span_s(ANSWER_S)))
		return;
	found.result = (uint64_t)queried->map->driver->find(queried->map,
		arena, m.key, &found.value);
	if (found.result != MAPS_FOUND)
		found.value = STR_NONE;
	if (!msg_map_found_send(call, &found))
		log_debug("worker: %m");
}

/* ---- in the front ---- */

static struct peer *fork_worker(struct queried *queried, int *pid)
{
	const struct child_plan plan = {
		.name = STR("worker"),
		.sandbox = { .profile = PROFILE_QUERY, .sys_uid = geteuid(),
			.sys_gid = getegid(), .paths = queried->paths },
		.idle = span_s(WORKER_IDLE_S),
		.pid = pid,
		.serve = work,
		.context = queried,
	};
	struct peer *peer = child_fork(&plan);

	if (!peer)
		log_warning("cannot start a worker: %m");
	return peer;
}

/* One that is not busy; those with a connection first. */
static struct worker *take_worker(struct queried *queried)
{
	struct worker *found = NULL;

	for (size_t i = 0; i < WORKERS_MOST; i++) {
		struct worker *worker = &queried->workers[i];

		if (worker->busy)
			continue;
		if (worker->peer && !peer_takes_calls(worker->peer)) {
			peer_close(worker->peer);
			worker->peer = NULL;
		}
		if (!found || (worker->peer && !found->peer))
			found = worker;
	}
	found->busy = true;
	return found;
}

static bool ask_worker(struct worker *worker, struct arena *arena,
	const struct msg_map_find *m, struct msg_map_found *found)
{
	auto_arena struct arena *scratch = arena_new(0); /* the call's */
	struct call *call = peer_call(worker->peer, scratch);

	if (call && msg_map_find_send(call, m) &&
		msg_map_found_recv(call, found, span_s(ANSWER_S))) {
		found->value = arena_copy(arena, found->value);
		return true;
	}
	log_warning("%.*s: no answer in time: %m", STR_ARG(m->table));
	return false;
}

/* The next lookup has a new one. */
static void end_worker(struct worker *worker)
{
	kill(worker->pid, SIGKILL);
	peer_close(worker->peer);
	worker->peer = NULL;
}

static enum maps_result ask(struct queried *queried, struct arena *arena,
	const struct msg_map_find *m, struct str *value)
{
	struct msg_map_found found = { .result = MAPS_ERROR };
	struct worker *worker;
	bool good = false;

	if (!io_gate_enter(&queried->gate, span_s(QUEUE_S))) {
		log_warning("%.*s: all workers are busy", STR_ARG(m->table));
		return MAPS_ERROR;
	}
	worker = take_worker(queried);
	if (!worker->peer)
		worker->peer = fork_worker(queried, &worker->pid);
	if (worker->peer) {
		good = ask_worker(worker, arena, m, &found);
		if (!good)
			end_worker(worker);
	}
	worker->busy = false;
	io_gate_leave(&queried->gate);
	*value = found.value;
	return good && found.result <= MAPS_ERROR ?
		(enum maps_result)found.result :
		MAPS_ERROR;
}

static enum maps_result look_up(struct arena *arena,
	const struct msg_map_find *m, struct str *value)
{
	struct queried *queried = table_find(tables.all, m->table);
	enum maps_result result = MAPS_FOUND;

	if (!queried) {
		log_warning("request for a table that the configuration does "
			    "not name: \"%.*s\"",
			STR_ARG(m->table));
		return MAPS_ERROR;
	}
	if (queried->map->driver == &map_fail)
		return MAPS_ERROR;
	if (m->key.len == 0 || memchr(m->key.p, 0, m->key.len))
		return MAPS_ABSENT;
	if (queried->map->driver->wants)
		result = queried->map->driver->wants(queried->map, arena,
			m->key);
	return result == MAPS_FOUND ? ask(queried, arena, m, value) : result;
}

static bool answer(struct call *call, const struct msg_map_find *m)
{
	auto_arena struct arena *arena = arena_new(0);
	struct msg_map_found found = { .value = STR_NONE };

	found.result = (uint64_t)look_up(arena, m, &found.value);
	if (found.result != MAPS_FOUND)
		found.value = STR_NONE;
	return msg_map_found_send(call, &found);
}

static void serve(const struct conf *conf, struct call *call)
{
	struct msg_map_find m;

	(void)conf;
	while (msg_map_find_recv(call, &m, span_s(IDLE_S)) &&
		answer(call, &m))
		;
}

static const struct service service = {
	.name = "querymap",
	.fibers = 200,
	.profile = PROFILE_QUERYMAP,
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
