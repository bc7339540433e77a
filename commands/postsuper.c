/*
 * postsuper - deletes, holds, releases, requeues and expires messages.
 *
 * While the suite runs, qmgr is asked, and an answer means that it is durable.
 * When it does not, the files are altered here, under the lock that a qmgr
 * would hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/postsuper.h"
#include "queue/ask.h"
#include "queue/store.h"
#include "service/command.h"

static const struct command command = {
	"postsuper",
	"[-psSv] [-c dir] [-d id] [-e id] [-f id] [-h id] [-H id] [-r id] "
	"[queue ...]",
};

struct super;

/* What one option does. */
struct act {
	int option;
	const char *verb;  /* for qmgr */
	const char *past;  /* of each message */
	const char *total; /* of all */
	bool (*run)(struct super *super, struct stored *stored); /* offline */
	const char *queues;
};

struct super {
	const struct conf *conf;
	struct arena *arena;
	FILE *ask;         /* NULL: offline */
	struct disk *disk; /* offline */
	struct store store;
	bool is_open;
	struct str queues; /* named on the command line; empty: the act's */
	size_t *counts;    /* per act */
};

static bool run_delete(struct super *super, struct stored *stored)
{
	return store_over(&super->store, stored, true);
}

static bool run_hold(struct super *super, struct stored *stored)
{
	return stored->queue != QUEUE_HOLD &&
		store_keep(&super->store, stored, QUEUE_HOLD);
}

static bool run_release(struct super *super, struct stored *stored)
{
	stored->next_us = wall_us();
	return stored->queue == QUEUE_HOLD &&
		store_keep(&super->store, stored, QUEUE_DEFERRED);
}

static bool run_requeue(struct super *super, struct stored *stored)
{
	return requeue_offline(super->conf, &super->store, stored);
}

static bool run_expire(struct super *super, struct stored *stored)
{
	stored->expire = true;
	stored->next_us = wall_us();
	return store_keep(&super->store, stored,
		stored->queue == QUEUE_HOLD ? QUEUE_HOLD : QUEUE_DEFERRED);
}

static bool run_expire_release(struct super *super, struct stored *stored)
{
	stored->expire = true;
	stored->next_us = wall_us();
	return store_keep(&super->store, stored, QUEUE_DEFERRED);
}

/* clang-format off */
static const struct act acts[] = {
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

static const struct act *find_act(int option)
{
	for (size_t i = 0; i < COUNT(acts); i++)
		if (acts[i].option == option)
			return &acts[i];
	return NULL;
}

static void done(struct super *super, const struct act *act, struct str id)
{
	log_info("%.*s: %s", STR_ARG(id), act->past);
	super->counts[act - acts]++;
}

static struct str queues_of(const struct super *super, const struct act *act)
{
	return super->queues.len ? super->queues : str_from(act->queues);
}

/* ---- the suite runs ---- */

static void ask(struct super *super, const struct act *act, struct str id)
{
	struct str line;

	if (!ask_send(super->ask, arena_fmt(super->arena, "%s %.*s %.*s",
		    act->verb, STR_ARG(id), STR_ARG(queues_of(super, act)))))
		log_fatal("public/qmgr: %m");
	while (ask_line(super->ask, super->arena, &line)) {
		if (str_is(line, "."))
			return;
		if (str_take_char(&line, '+'))
			done(super, act, line);
		else
			log_fatal("public/qmgr: %.*s", STR_ARG(line));
	}
	log_fatal("public/qmgr: the mail system went down meanwhile");
}

/* ---- it does not ---- */

static void nobody(void *context, const struct place *place)
{
	(void)context;
	(void)place;
}

static void open_queue(struct super *super)
{
	const char *directory =
		arena_cstr(super->arena, super->conf->queue_directory);
	int fd;

	if (!disk_open(&super->disk, directory))
		log_fatal("queue_directory %s: %m", directory);
	fd = disk_open_file(super->disk, "journal/lock", O_RDWR);
	if (fd < 0 && errno == ENOENT)
		return; /* there was never anything in it */
	if (fd < 0 || super->disk->lock(super->disk, fd) < 0)
		log_fatal("journal/lock: %m: is the mail system starting?");
	if (!store_open(&super->store, super->disk, false, nobody, NULL))
		log_fatal("journal: %m");
	super->is_open = true;
}

struct visit {
	struct super *super;
	const struct act *act;
	struct str id; /* or ALL */
};

static bool is_in_list(struct str list, const char *name)
{
	struct str item;

	while (str_take_item(&list, ", ", &item))
		if (str_is(item, name))
			return true;
	return false;
}

static void alter(struct visit *visit, struct stored *stored)
{
	struct str id = stored->envelope.queue_id;

	if (!str_is(visit->id, "ALL") && !str_eq(visit->id, id))
		return;
	errno = 0;
	if (visit->act->run(visit->super, stored))
		done(visit->super, visit->act, id);
	else if (errno)
		log_warning("%.*s: %m", STR_ARG(id));
}

static void visit_place(void *context, const struct place *place)
{
	struct visit *visit = context;
	auto_arena struct arena *arena = arena_new(0);
	struct stored *stored;

	if (store_load_slot(&visit->super->store, arena, place, true,
		    &stored) == STORE_FOUND)
		alter(visit, stored);
}

static void visit_files(struct visit *visit, enum queue_name queue)
{
	auto_arena struct arena *arena = arena_new(0);
	struct spool_ids ids;

	if (!spool_list(visit->super->disk, arena, queue, false, &ids))
		log_warning("%s: %m", queue_name_text(queue));
	for (size_t i = 0; i < ids.count; i++) {
		auto_arena struct arena *one = arena_new(0);
		struct stored *stored;

		if (store_load_file(&visit->super->store, one, queue,
			    ids.ids[i], &stored) == STORE_FOUND)
			alter(visit, stored);
	}
}

/* What was put from slots into files is not visited twice. */
static void alter_files(struct super *super, const struct act *act,
	struct str id)
{
	struct visit visit = { super, act, id };
	struct str queues = queues_of(super, act);

	if (!super->is_open)
		return;
	if (is_in_list(queues, "hold"))
		visit_files(&visit, QUEUE_HOLD);
	if (is_in_list(queues, "deferred"))
		visit_files(&visit, QUEUE_DEFERRED);
	if ((is_in_list(queues, "incoming") || is_in_list(queues, "active")) &&
		!store_scan(&super->store, true, visit_place, &visit))
		log_warning("journal: %m");
	store_flush(&super->store);
}

/* -p -s -S: files that were left half written. The places of all others are
 * given by their names; there is nothing else to repair. */
static void tidy(struct super *super)
{
	static const enum queue_name queues[] = { QUEUE_DEFERRED, QUEUE_HOLD,
		QUEUE_CORRUPT };

	if (super->ask || !super->is_open)
		return; /* qmgr did that when it started */
	for (size_t i = 0; i < COUNT(queues); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct spool_ids ids;

		if (!spool_list(super->disk, arena, queues[i], true, &ids))
			log_warning("%s: %m", queue_name_text(queues[i]));
	}
}

/* ---- */

struct removal {
	struct super *super;
	const struct act *act;
};

static void dropped(void *context, struct str name)
{
	const struct removal *removal = context;

	done(removal->super, removal->act, name);
}

/* Nobody but pickup knows what is in there; it can only be removed. */
static void alter_maildrop(struct super *super, const struct act *act,
	struct str name)
{
	struct removal removal = { super, act };

	if (act->run == run_delete)
		maildrop_delete(super->conf, name, dropped, &removal);
}

static void run_id(struct super *super, const struct act *act, struct str id)
{
	uint64_t serial;

	if (is_in_list(super->queues, "maildrop"))
		alter_maildrop(super, act, id);
	if (!str_is(id, "ALL") && !queue_id_parse(id, &serial)) {
		if (!is_in_list(super->queues, "maildrop"))
			log_warning("invalid mail queue id: %.*s",
				STR_ARG(id));
		return;
	}
	if (super->ask)
		ask(super, act, id);
	else
		alter_files(super, act, id);
}

/* An ID, "-" for a list of them on standard input, or ALL. */
static void run_argument(struct super *super, const struct act *act,
	const char *argument)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	if (strcmp(argument, "-") != 0) {
		run_id(super, act, str_from(argument));
		return;
	}
	while ((len = getline(&line, &capacity, stdin)) > 0) {
		struct str id = str_trim(str_of(line, (size_t)len));

		if (id.len)
			run_id(super, act, id);
	}
	free(line);
}

static void check_user(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stat st;

	if (geteuid() != 0 &&
		(stat(arena_cstr(arena, conf->queue_directory), &st) < 0 ||
			st.st_uid != geteuid()))
		log_fatal("use of this command is reserved for the superuser");
}

static void report(const struct super *super)
{
	for (size_t i = 0; i < COUNT(acts); i++) {
		size_t count = super->counts[i];

		if (count > 0)
			log_info("%s: %zu message%s", acts[i].total, count,
				count == 1 ? "" : "s");
	}
}

static void name_queues(struct super *super, char **names)
{
	static const char known[] =
		"hold,incoming,active,deferred,corrupt,maildrop,bounce,defer,"
		"trace,flush";
	struct buf list = BUF_IN(super->arena);

	for (; *names; names++) {
		if (!is_in_list(str_from(known), *names))
			log_fatal("invalid directory name: %s", *names);
		buf_fmt(&list, "%s%s", list.len ? "," : "", *names);
	}
	super->queues = buf_str(&list);
}

int main(int argc, char **argv)
{
	static size_t counts[COUNT(acts)];
	struct super super = { .counts = counts, .arena = arena_new(0) };
	const char *directory = NULL, *arguments[256];
	int options[256], option;
	size_t count = 0;
	bool wants_tidy = argc == 1;

	command_begin(&command, argc, argv);
	while ((option = getopt(argc, argv, "c:d:e:f:h:H:psSr:v")) > 0) {
		if (option == 'c')
			directory = optarg;
		else if (option == 'v')
			log_verbose(true);
		else if (strchr("psS", option))
			wants_tidy = true;
		else if (!find_act(option) || count == COUNT(options))
			command_usage(&command);
		else {
			arguments[count] = optarg;
			options[count++] = option;
		}
	}
	super.conf = command_conf(super.arena, directory);
	check_user(super.conf);
	command_log(super.conf, "postsuper");
	name_queues(&super, argv + optind);
	super.ask = ask_open(super.conf, "qmgr");
	if (!super.ask)
		open_queue(&super);
	if (wants_tidy)
		tidy(&super);
	for (size_t i = 0; i < count; i++)
		run_argument(&super, find_act(options[i]), arguments[i]);
	report(&super);
	return 0;
}
