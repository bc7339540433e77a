#include "commands/alter.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/requeue.h"
#include "queue/ask.h"
#include "queue/maildrop_file.h"
#include "queue/walk.h"

static bool run_delete(struct alter *alter, struct stored *stored)
{
	return store_over(&alter->store, stored, true);
}

static bool run_hold(struct alter *alter, struct stored *stored)
{
	return stored->queue != QUEUE_HOLD &&
		store_keep(&alter->store, stored, QUEUE_HOLD);
}

static bool run_release(struct alter *alter, struct stored *stored)
{
	stored->next_us = wall_us();
	return stored->queue == QUEUE_HOLD &&
		store_keep(&alter->store, stored, QUEUE_DEFERRED);
}

static bool run_requeue(struct alter *alter, struct stored *stored)
{
	return requeue_offline(alter->conf, &alter->store, stored);
}

static bool run_expire(struct alter *alter, struct stored *stored)
{
	stored->expire = true;
	stored->next_us = wall_us();
	return store_keep(&alter->store, stored,
		stored->queue == QUEUE_HOLD ? QUEUE_HOLD : QUEUE_DEFERRED);
}

static bool run_expire_release(struct alter *alter, struct stored *stored)
{
	stored->expire = true;
	stored->next_us = wall_us();
	return store_keep(&alter->store, stored, QUEUE_DEFERRED);
}

/* clang-format off */
const struct alter_act alter_acts[ALTER_ACTS] = {
	{ 'd', "delete",  "removed",            "Deleted",
		run_delete,  "hold,incoming,active,deferred" },
	{ 'h', "hold",    "placed on hold",     "Placed on hold",
		run_hold,    "incoming,active,deferred" },
	{ 'H', "release", "released from hold", "Released from hold",
		run_release, "hold" },
	{ 'r', "requeue", "requeued",           "Requeued",
		run_requeue, "hold,incoming,active,deferred" },
	{ 'e', "expire",  "expired",            "Force-expired",
		run_expire,  "hold,incoming,active,deferred" },
	{ 'f', "expire-release", "expired",     "Force-expired",
		run_expire_release, "hold,incoming,active,deferred" },
};
/* clang-format on */

const struct alter_act *alter_act_of(int option)
{
	for (size_t i = 0; i < COUNT(alter_acts); i++)
		if (alter_acts[i].option == option)
			return &alter_acts[i];
	return NULL;
}

const struct alter_act *alter_act_find(const char *verb)
{
	for (size_t i = 0; i < COUNT(alter_acts); i++)
		if (strcmp(alter_acts[i].verb, verb) == 0)
			return &alter_acts[i];
	return NULL;
}

bool alter_names(struct str list, const char *name)
{
	struct str item;

	while (str_take_item(&list, ", ", &item))
		if (str_is(item, name))
			return true;
	return false;
}

static struct str queues_of(const struct alter_act *act, struct str queues)
{
	return queues.len ? queues : str_from(act->queues);
}

/* ---- the suite runs ---- */

static void ask(struct alter *alter, const struct alter_act *act,
	struct str id, struct str queues)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str line;

	if (!ask_send(alter->ask, arena_fmt(arena, "%s %.*s %.*s", act->verb,
		    STR_ARG(id), STR_ARG(queues_of(act, queues)))))
		log_fatal("public/qmgr: %m");
	while (ask_line(alter->ask, arena, &line)) {
		if (str_is(line, "."))
			return;
		if (!str_take_char(&line, '+'))
			log_fatal("public/qmgr: %.*s", STR_ARG(line));
		alter->done(alter->context, act, line);
	}
	log_fatal("public/qmgr: the mail system went down meanwhile");
}

/* ---- it does not ---- */

static void nobody(void *context, const struct place *place)
{
	(void)context;
	(void)place;
}

static void open_files(struct alter *alter)
{
	const char *directory =
		arena_cstr(alter->arena, alter->conf->queue_directory);
	int fd;

	if (!disk_open(&alter->disk, directory))
		log_fatal("queue_directory %s: %m", directory);
	fd = disk_open_file(alter->disk, "journal/lock", O_RDWR);
	if (fd < 0 && errno == ENOENT)
		return; /* there was never anything in it */
	if (fd < 0 || alter->disk->lock(alter->disk, fd) < 0)
		log_fatal("journal/lock: %m: is the mail system starting?");
	if (!store_open(&alter->store, alter->disk, false, nobody, NULL))
		log_fatal("journal: %m");
	alter->is_open = true;
}

void alter_open(struct alter *alter)
{
	alter->ask = ask_open(alter->conf, "qmgr");
	if (!alter->ask)
		open_files(alter);
}

struct visit {
	struct alter *alter;
	const struct alter_act *act;
	const struct table *ids; /* NULL: all */
	struct str id;           /* or this one */
};

static bool is_wanted(const struct visit *visit, struct str id)
{
	if (!str_is_none(visit->id))
		return str_eq(visit->id, id);
	return !visit->ids || table_find(visit->ids, id);
}

static void visit_one(void *context, struct stored *stored)
{
	struct visit *visit = context;
	struct str id = stored->envelope.queue_id;

	if (!is_wanted(visit, id))
		return;
	errno = 0;
	if (visit->act->run(visit->alter, stored))
		visit->alter->done(visit->alter->context, visit->act, id);
	else if (errno)
		log_warning("%.*s: %m", STR_ARG(id));
}

/* In an order in which no act moves a message to where it is visited again. */
static void alter_files(struct visit *visit, struct str queues)
{
	struct alter *alter = visit->alter;

	queues = queues_of(visit->act, queues);
	if (!alter->is_open)
		return;
	if (alter_names(queues, "deferred"))
		walk_files(&alter->store, QUEUE_DEFERRED, visit_one, visit);
	if (alter_names(queues, "hold"))
		walk_files(&alter->store, QUEUE_HOLD, visit_one, visit);
	if (alter_names(queues, "incoming") || alter_names(queues, "active"))
		walk_slots(&alter->store, visit_one, visit);
	store_flush(&alter->store);
}

/* ---- either ---- */

void alter_id(struct alter *alter, const struct alter_act *act, struct str id,
	struct str queues)
{
	struct visit visit = { alter, act, NULL, id };

	if (alter->ask)
		ask(alter, act, id, queues);
	else
		alter_files(&visit, queues);
}

void alter_all(struct alter *alter, const struct alter_act *act,
	const struct table *ids, struct str queues)
{
	struct visit visit = { alter, act, ids, STR_NONE };

	if (!alter->ask)
		alter_files(&visit, queues);
	else if (!ids)
		ask(alter, act, STR("ALL"), queues);
	else
		for (struct table_walk w = { 0 }; table_next(ids, &w);)
			ask(alter, act, w.key, queues);
}

void alter_check_user(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stat st;

	if (geteuid() != 0 &&
		(stat(arena_cstr(arena, conf->queue_directory), &st) < 0 ||
			st.st_uid != geteuid()))
		log_fatal("use of this command is reserved for the superuser");
}

/* ---- maildrop/ ---- */

struct removal {
	struct alter *alter;
	const struct alter_act *act;
	int folder;
	struct str name; /* or ALL */
};

static void remove_one(void *context, const char *name)
{
	const struct removal *r = context;

	if (!str_is(r->name, "ALL") && !str_is(r->name, name))
		return;
	if (unlinkat(r->folder, name, 0) < 0)
		log_warning("maildrop/%s: %m", name);
	else
		r->alter->done(r->alter->context, r->act, str_from(name));
}

/* Nobody but pickup knows what is in there; it can only be removed. */
void alter_maildrop(struct alter *alter, const struct alter_act *act,
	struct str name)
{
	char path[4096];
	struct removal removal = { alter, act, -1, name };
	auto_close int folder = -1;

	if (act->run != run_delete)
		return;
	snprintf(path, sizeof(path), "%.*s/maildrop",
		STR_ARG(alter->conf->queue_directory));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	removal.folder = folder;
	if (folder < 0 || !maildrop_each(folder, remove_one, &removal))
		log_warning("%s: %m", path);
	if (folder >= 0 && fsync(folder) < 0)
		log_warning("%s: %m", path);
}
