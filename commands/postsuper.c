/*
 * postsuper - deletes, holds, releases, requeues and expires messages.
 *
 * An answer means that it is durable; see commands/alter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/alter.h"
#include "service/command.h"

static const struct command command = {
	"postsuper",
	"[-psSv] [-c dir] [-d id] [-e id] [-f id] [-h id] [-H id] [-r id] "
	"[queue ...]",
};

struct super {
	struct alter alter;
	struct str queues; /* named on the command line; empty: the act's */
	size_t counts[ALTER_ACTS];
	bool asked[ALTER_ACTS];
	bool is_all; /* the sum is enough */
};

static void done(void *context, const struct alter_act *act, struct str id)
{
	struct super *super = context;

	if (!super->is_all)
		log_info("%.*s: %s", STR_ARG(id), act->past);
	super->counts[act - alter_acts]++;
}

/* -p -s -S: files that were left half written. The places of all others are
 * given by their names; there is nothing else to repair. */
static void tidy(struct super *super)
{
	static const enum queue_name queues[] = { QUEUE_DEFERRED, QUEUE_HOLD,
		QUEUE_CORRUPT };

	if (super->alter.ask || !super->alter.is_open)
		return; /* qmgr did that when it started */
	for (size_t i = 0; i < COUNT(queues); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct spool_ids ids;

		if (!spool_list(super->alter.disk, arena, queues[i], true, &ids))
			log_warning("%s: %m", queue_name_text(queues[i]));
	}
}

/* ---- */

static void run_id(struct super *super, const struct alter_act *act,
	struct str id)
{
	uint64_t serial;

	super->is_all = str_is(id, "ALL");
	if (alter_names(super->queues, "maildrop"))
		alter_maildrop(&super->alter, act, id);
	if (str_is(id, "ALL"))
		alter_all(&super->alter, act, NULL, super->queues);
	else if (queue_id_parse(id, &serial))
		alter_id(&super->alter, act, id, super->queues);
	else if (!alter_names(super->queues, "maildrop"))
		log_warning("invalid mail queue id: %.*s", STR_ARG(id));
}

/* An ID, "-" for a list of them on standard input, or ALL. */
static void run_argument(struct super *super, const struct alter_act *act,
	const char *argument)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	super->asked[act - alter_acts] = true;
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

static void report(const struct super *super)
{
	for (size_t i = 0; i < ALTER_ACTS; i++)
		if (super->asked[i])
			log_info("%s: %zu message%s", alter_acts[i].total,
				super->counts[i],
				super->counts[i] == 1 ? "" : "s");
}

static void name_queues(struct super *super, char **names)
{
	static const char known[] =
		"hold,incoming,active,deferred,corrupt,maildrop,bounce,defer,"
		"trace,flush";
	struct buf list = BUF_IN(super->alter.arena);

	for (; *names; names++) {
		if (!alter_names(str_from(known), *names))
			log_fatal("invalid directory name: %s", *names);
		buf_fmt(&list, "%s%s", list.len ? "," : "", *names);
	}
	super->queues = buf_str(&list);
}

int main(int argc, char **argv)
{
	static struct super super;
	const struct conf *conf;
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
		else if (!alter_act_of(option) || count == COUNT(options))
			command_usage(&command);
		else {
			arguments[count] = optarg;
			options[count++] = option;
		}
	}
	conf = command_conf(arena_new(0), directory);
	super.alter = (struct alter){ .conf = conf, .arena = arena_new(0),
		.done = done, .context = &super };
	alter_check_user(conf);
	command_log(conf, "postsuper");
	name_queues(&super, argv + optind);
	alter_open(&super.alter);
	if (wants_tidy)
		tidy(&super);
	for (size_t i = 0; i < count; i++)
		run_argument(&super, alter_act_of(options[i]), arguments[i]);
	report(&super);
	return 0;
}
