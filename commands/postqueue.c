/*
 * postqueue - shows the queue, and has it tried again.
 *
 * Needs no privilege: showq and qmgr know who asks by the socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "queue/ask.h"
#include "queue/listing.h"
#include "queue/maildrop_file.h"
#include "queue/store.h"
#include "service/command.h"

static const struct command command = {
	"postqueue",
	"[-c dir] [-v] -p | -j | -f | -i queue_id | -s site",
};

static _Noreturn void unavailable(const char *text)
{
	log_error("%s", text);
	exit(EX_UNAVAILABLE);
}

static _Noreturn void denied(const char *what)
{
	const struct passwd *user = getpwuid(getuid());

	log_error("User %s(%ld) is not allowed to %s the mail queue",
		user ? user->pw_name : "unknown", (long)getuid(), what);
	exit(EX_UNAVAILABLE);
}

/* ---- the list, when the suite is down ---- */

struct offline {
	struct store store;
	struct listing list;
	struct buf out;
	int maildrop; /* the folder */
};

static void flush_out(struct offline *offline)
{
	fwrite(offline->out.p, 1, offline->out.len, stdout);
	buf_clear(&offline->out);
}

static void show(struct offline *offline, const struct stored *stored)
{
	struct listed listed = {
		.queue_name = str_from(queue_name_text(stored->queue)),
		.queue_id = stored->envelope.queue_id,
		.sender = stored->envelope.sender,
		.arrival_us = (int64_t)stored->envelope.arrival_us,
		.size = message_content_octets(&stored->head,
			&stored->envelope),
		.forced_expire = stored->expire,
	};

	listing_begin(&offline->list, &listed);
	for (size_t i = 0; i < stored->envelope.recipient_count; i++) {
		const struct recipient *r = &stored->envelope.recipients[i];

		if (!stored->done[i])
			listing_recipient(&offline->list, r->address, r->orig,
				stored->reasons[i].wall_us
					? stored->reasons[i].status.text
					: STR(""));
	}
	listing_end_message(&offline->list);
	flush_out(offline);
}

static void show_place(void *context, const struct place *place)
{
	struct offline *offline = context;
	auto_arena struct arena *arena = arena_new(0);
	struct stored *stored;

	if (store_load_slot(&offline->store, arena, place, true, &stored) ==
		STORE_FOUND)
		show(offline, stored);
}

static void show_files(struct offline *offline, struct disk *disk,
	enum queue_name queue)
{
	auto_arena struct arena *arena = arena_new(0);
	struct spool_ids ids;

	if (!spool_list(disk, arena, queue, false, &ids))
		log_warning("%s: %m", queue_name_text(queue));
	for (size_t i = 0; i < ids.count; i++) {
		auto_arena struct arena *one = arena_new(0);
		struct stored *stored;

		if (store_load_file(&offline->store, one, queue, ids.ids[i],
			    &stored) == STORE_FOUND)
			show(offline, stored);
	}
}

static void show_dropped(void *context, const char *name)
{
	struct offline *offline = context;
	auto_arena struct arena *arena = arena_new(0);
	struct maildrop_file file;
	struct listed listed = { .queue_name = STR("maildrop"),
		.queue_id = str_from(name) };

	if (!maildrop_read(arena, offline->maildrop, name, &file))
		return;
	listed.sender = file.sender;
	listed.arrival_us = file.arrival_us;
	listed.size = file.octets;
	listing_begin(&offline->list, &listed);
	for (size_t i = 0; i < file.recipient_count; i++)
		listing_recipient(&offline->list, file.recipients[i],
			file.recipients[i], STR(""));
	listing_end_message(&offline->list);
	flush_out(offline);
}

static void show_maildrop(struct offline *offline, const struct conf *conf)
{
	char path[4096];
	auto_close int folder = -1;

	snprintf(path, sizeof(path), "%.*s/maildrop",
		STR_ARG(conf->queue_directory));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	offline->maildrop = folder;
	if (folder < 0 || !maildrop_each(folder, show_dropped, offline))
		log_warning("%s: %m", path);
}

static void nobody(void *context, const struct place *place)
{
	(void)context;
	(void)place;
}

static void list_offline(const struct conf *conf, bool is_json)
{
	auto_arena struct arena *arena = arena_new(0);
	static struct offline offline;
	struct disk *disk;

	if (!disk_open(&disk, arena_cstr(arena, conf->queue_directory)) ||
		!store_open(&offline.store, disk, true, nobody, NULL))
		unavailable("Queue report unavailable - mail system is down");
	log_warning("Mail system is down -- accessing queue directly");
	offline.list = (struct listing){ .out = &offline.out,
		.is_json = is_json, .long_ids = conf->enable_long_queue_ids };
	show_maildrop(&offline, conf);
	if (!store_scan(&offline.store, true, show_place, &offline))
		log_warning("journal: %m");
	show_files(&offline, disk, QUEUE_DEFERRED);
	show_files(&offline, disk, QUEUE_HOLD);
	listing_end(&offline.list);
	flush_out(&offline);
}

/* Root, or whose queue it is. */
static bool may_look(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stat st;

	return geteuid() == 0 ||
		(stat(arena_cstr(arena, conf->queue_directory), &st) == 0 &&
			st.st_uid == geteuid());
}

/* ---- asking ---- */

static void list(const struct conf *conf, bool is_json)
{
	auto_arena struct arena *arena = arena_new(0);
	FILE *ask = ask_open(conf, "showq");
	struct str line;
	int c;

	if (!ask && may_look(conf)) {
		list_offline(conf, is_json);
		return;
	}
	if (!ask || !ask_send(ask, is_json ? STR("json") : STR("text")) ||
		!ask_line(ask, arena, &line))
		unavailable("Queue report unavailable - mail system is down");
	if (!str_is(line, "+"))
		denied("view");
	while ((c = getc_unlocked(ask)) != EOF && c != '\0')
		if (putchar_unlocked(c) == EOF)
			return; /* a pager has seen enough */
	if (c == EOF)
		unavailable("Queue report is incomplete: the mail system "
			"went down meanwhile");
	fclose(ask);
}

static void flush(const struct conf *conf, const char *verb,
	const char *argument)
{
	auto_arena struct arena *arena = arena_new(0);
	FILE *ask = ask_open(conf, "qmgr");
	struct str line;

	if (!ask ||
		!ask_send(ask, arena_fmt(arena, "%s %s", verb, argument)))
		unavailable("Cannot flush mail queue - mail system is down");
	while (ask_line(ask, arena, &line)) {
		if (str_is(line, "."))
			return;
		if (str_is(line, "-not allowed"))
			denied("flush");
		if (line.len && line.p[0] == '-')
			unavailable(arena_cstr(arena, line));
	}
	unavailable("Cannot flush mail queue - mail system is down");
}

/* An argument is one word: it stands in a line. */
static bool is_word(const char *text)
{
	for (size_t i = 0; text[i]; i++)
		if (!ascii_is_print((unsigned char)text[i]) || text[i] == ' ')
			return false;
	return text[0] != '\0';
}

static _Noreturn void usage(void)
{
	log_at(LOG_LEVEL_FATAL, "usage: postqueue %s", command.usage);
	exit(EX_UNAVAILABLE);
}

struct request {
	int operation; /* 0: none yet */
	const char *argument;
};

static void set(struct request *request, int operation, const char *argument)
{
	if (request->operation)
		usage();
	if (argument && !is_word(argument))
		unavailable("bad argument");
	request->operation = operation;
	request->argument = argument;
}

static void run(const struct conf *conf, const struct request *request)
{
	switch (request->operation) {
	case 'p':
	case 'j':
		list(conf, request->operation == 'j');
		break;
	case 'f':
		flush(conf, "flush", "");
		break;
	case 'i':
		flush(conf, "retry", request->argument);
		break;
	case 's':
		flush(conf, "site", request->argument);
		break;
	default:
		usage();
	}
}

int main(int argc, char **argv)
{
	struct request request = { 0 };
	const char *directory = NULL;
	int option;

	command_begin(&command, argc, argv);
	while ((option = getopt(argc, argv, "c:fi:jps:v")) > 0)
		switch (option) {
		case 'c':
			directory = optarg;
			break;
		case 'v':
			log_verbose(true);
			break;
		case '?':
			usage();
		default:
			set(&request, option, option == 'i' || option == 's'
				? optarg : NULL);
		}
	if (optind < argc)
		usage();
	run(command_conf(arena_new(0), directory), &request);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("write: %m");
		return EX_IOERR;
	}
	return 0;
}
