/*
 * posthorn-queue - "posthorn queue": shows messages, and works on all that a
 * selection names.
 *
 * Room       a command; what it may see and do is said by showq and qmgr, who
 *            know who asks; while the suite is down by the files' modes
 * Calls      showq and qmgr, through public/
 * Files      the queue, while the suite is down
 */
#include "commands/queue.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "commands/alter.h"
#include "commands/queue_move.h"
#include "queue/look.h"
#include "service/command.h"

static const struct command command = {
	"posthorn queue",
	"list|show|hold|release|delete|requeue|expire [selection] [--json] "
	"[--dry-run] [id ...], import directory, or export host:port",
};

/* ---- looking ---- */

struct chosen {
	struct queue_job *job;
	struct listed_message *messages;
	size_t count, capacity, recipients;
	uint64_t octets;
};

static void choose(void *context, const struct listed_message *message)
{
	struct chosen *chosen = context;

	if (!selection_has(&chosen->job->selection, message))
		return;
	arena_grow(chosen->job->arena, &chosen->messages, &chosen->capacity,
		chosen->count + 1, sizeof(*message));
	chosen->messages[chosen->count++] = *message;
	chosen->recipients += message->recipient_count;
	chosen->octets += message->listed.size;
}

/* All that is selected; what cannot be seen ends the process. */
static void look(struct chosen *chosen)
{
	static const struct {
		enum look_result result;
		const char *text;
	} failures[] = {
		{ LOOK_DOWN, "the mail system is down, and its files are not "
			"yours to read" },
		{ LOOK_DENIED, "you are not in authorized_mailq_users" },
		{ LOOK_PARTIAL, "the mail system went down meanwhile" },
	};
	struct queue_job *job = chosen->job;
	enum look_result result = look_each(job->arena, job->conf, choose,
		chosen);

	for (size_t i = 0; i < COUNT(failures); i++)
		if (failures[i].result == result) {
			log_error("%s", failures[i].text);
			exit(EX_UNAVAILABLE);
		}
}

static void print_all(const struct chosen *chosen)
{
	for (size_t i = 0; i < chosen->count; i++)
		(chosen->job->json ? print_json : print_message)(
			&chosen->messages[i]);
	if (!chosen->job->json)
		print_total(chosen->count, chosen->recipients,
			chosen->octets);
}

/* Each ID that was named and is not there is a line; false: one was. */
static bool has_all_ids(const struct chosen *chosen)
{
	const struct table *ids = chosen->job->selection.ids;
	struct table *found = table_new();
	bool all = true;

	for (size_t i = 0; i < chosen->count; i++)
		table_put(found, chosen->messages[i].listed.queue_id, found);
	for (struct table_walk w = { 0 }; ids && table_next(ids, &w);) {
		if (table_find(found, w.key))
			continue;
		log_error("%.*s: no such message%s", STR_ARG(w.key),
			chosen->job->selection.queues.len ||
					chosen->job->selection.from
				? " is selected" : "");
		all = false;
	}
	table_free(found);
	return all;
}

static int run_list(struct queue_job *job)
{
	struct chosen chosen = { .job = job };

	look(&chosen);
	print_all(&chosen);
	return has_all_ids(&chosen) ? 0 : 1;
}

static int run_details(struct queue_job *job)
{
	struct chosen chosen = { .job = job };

	if (!job->selection.restricts && !job->selection.all)
		log_fatal("name messages, or say --all");
	look(&chosen);
	if (run_show(job, chosen.messages, chosen.count) != 0)
		return 1;
	return has_all_ids(&chosen) ? 0 : 1;
}

/* ---- acting ---- */

struct acting {
	struct queue_job *job;
	struct table *wanted; /* IDs; those done are taken out */
};

static void say_done(const struct queue_job *job,
	const struct alter_act *act, struct str id, bool done)
{
	auto_buf struct buf line = { 0 };

	if (done)
		log_info("%.*s: %s", STR_ARG(id), act->past);
	else
		log_error("%.*s: not %s", STR_ARG(id), act->past);
	if (!job->json)
		return;
	buf_text(&line, "{\"queue_id\": ");
	json_format(&line, id);
	buf_fmt(&line, ", \"action\": \"%s\", \"done\": %s}\n", act->verb,
		done ? "true" : "false");
	fwrite(line.p, 1, line.len, stdout);
}

static void done(void *context, const struct alter_act *act, struct str id)
{
	struct acting *acting = context;

	if (table_remove(acting->wanted, id))
		say_done(acting->job, act, id, true);
}

/* Those of maildrop/ and the others. */
static void act_on(struct alter *alter, const struct alter_act *act,
	const struct chosen *chosen, struct acting *acting)
{
	struct table *queued = table_new();

	for (size_t i = 0; i < chosen->count; i++) {
		const struct listed *l = &chosen->messages[i].listed;

		table_put(acting->wanted, l->queue_id, acting);
		if (str_is(l->queue_name, "maildrop"))
			alter_maildrop(alter, act, l->queue_id);
		else
			table_put(queued, l->queue_id, acting);
	}
	alter_all(alter, act, queued, acting->job->selection.queues);
	table_free(queued);
}

/* What is as it shall be already is no failure. */
static bool is_so_already(const struct alter_act *act, struct str queue)
{
	return (act->option == 'h' && str_is(queue, "hold")) ||
		(act->option == 'H' && !str_is(queue, "hold"));
}

static void leave_out(const struct alter_act *act, struct chosen *chosen)
{
	size_t count = chosen->count;

	chosen->count = chosen->recipients = 0;
	chosen->octets = 0;
	for (size_t i = 0; i < count; i++) {
		const struct listed_message *m = &chosen->messages[i];

		if (is_so_already(act, m->listed.queue_name))
			continue;
		chosen->messages[chosen->count++] = *m;
		chosen->recipients += m->recipient_count;
		chosen->octets += m->listed.size;
	}
}

static int run_act(struct queue_job *job)
{
	const struct alter_act *act = alter_act_find(job->verb);
	struct chosen chosen = { .job = job };
	struct acting acting = { job, table_new() };
	struct alter alter = { .conf = job->conf, .arena = job->arena,
		.done = done, .context = &acting };
	bool complete;

	if (!job->selection.restricts && !job->selection.all)
		log_fatal("nothing is selected: name messages, or say --all");
	if (!job->dry_run)
		alter_check_user(job->conf);
	look(&chosen);
	complete = has_all_ids(&chosen);
	leave_out(act, &chosen);
	if (job->dry_run) {
		print_all(&chosen);
		return complete ? 0 : 1;
	}
	alter_open(&alter);
	act_on(&alter, act, &chosen, &acting);
	for (struct table_walk w = { 0 }; table_next(acting.wanted, &w);) {
		say_done(job, act, w.key, false);
		complete = false;
	}
	log_info("%s: %zu of %zu selected", act->total,
		chosen.count - table_count(acting.wanted), chosen.count);
	return complete ? 0 : 1;
}

/* ---- the command line ---- */

static const struct verb {
	const char *name;
	int (*run)(struct queue_job *job);
	bool takes_ids;
} verbs[] = {
	{ "list", run_list, true },
	{ "show", run_details, true },
	{ "hold", run_act, true },
	{ "release", run_act, true },
	{ "delete", run_act, true },
	{ "requeue", run_act, true },
	{ "expire", run_act, true },
	{ "import", queue_import, false },
	{ "export", queue_export, false },
};

enum choice {
	FROM = 256, TO, DOMAIN, OLDER, NEWER, REASON, QUEUE, SIZE, ALL, JSON,
	DRY_RUN,
};

static const struct option options[] = {
	{ "from", required_argument, NULL, FROM },
	{ "to", required_argument, NULL, TO },
	{ "domain", required_argument, NULL, DOMAIN },
	{ "older", required_argument, NULL, OLDER },
	{ "newer", required_argument, NULL, NEWER },
	{ "reason", required_argument, NULL, REASON },
	{ "queue", required_argument, NULL, QUEUE },
	{ "size", required_argument, NULL, SIZE },
	{ "all", no_argument, NULL, ALL },
	{ "json", no_argument, NULL, JSON },
	{ "dry-run", no_argument, NULL, DRY_RUN },
	{ 0 },
};

static void set(struct queue_job *job, int option, const char *value)
{
	struct selection *s = &job->selection;

	s->restricts = s->restricts || option == FROM || option == TO ||
		option == DOMAIN || option == REASON;
	switch (option) {
	case FROM:
		s->from = value;
		return;
	case TO:
		s->to = value;
		return;
	case DOMAIN:
		s->domain = str_from(value);
		return;
	case REASON:
		s->reason = value;
		return;
	case OLDER:
		selection_older(s, value);
		return;
	case NEWER:
		selection_newer(s, value);
		return;
	case QUEUE:
		selection_queue(s, job->arena, value);
		return;
	case SIZE:
		selection_size(s, value);
		return;
	case ALL:
		s->all = true;
		return;
	case JSON:
		job->json = true;
		return;
	case DRY_RUN:
		job->dry_run = true;
		return;
	default:
		command_usage(&command);
	}
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct queue_job job = { .arena = arena_new(0),
		.selection = { .size_most = UINT64_MAX } };
	const char *directory = NULL;
	const struct verb *verb;
	int option, status;

	command_begin(&command, argc, argv);
	while ((option = getopt_long(argc, argv, "c:v", options, NULL)) > 0) {
		if (option == 'c')
			directory = optarg;
		else if (option == 'v')
			log_verbose(true);
		else
			set(&job, option, optarg);
	}
	verb = optind < argc ? find_verb(argv[optind]) : NULL;
	if (!verb)
		command_usage(&command);
	job.verb = verb->name;
	job.argc = argc - optind - 1;
	job.argv = argv + optind + 1;
	job.conf = command_conf(job.arena, directory);
	command_log(job.conf, "queue");
	for (; verb->takes_ids && job.argc > 0;
		job.argc--)
		selection_id(&job.selection, job.arena, *job.argv++);
	status = verb->run(&job);
	if (fflush(stdout) != 0 || ferror(stdout))
		log_fatal("write: %m");
	return status;
}
