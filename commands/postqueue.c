/*
 * postqueue - shows the queue, and has it tried again.
 *
 * Needs no privilege: showq and qmgr know who asks by the socket.
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "queue/ask.h"
#include "queue/look.h"
#include "service/command.h"

static const struct command command = {
	"postqueue",
	"[-c dir] [-v] -p | -j | -f | -i queue_id | -s site",
};

static _Noreturn void unavailable(const char *text)
{
	log_at(LOG_LEVEL_FATAL, "%s", text);
	exit(EX_UNAVAILABLE);
}

static _Noreturn void denied(const char *what)
{
	const struct passwd *user = getpwuid(getuid());

	log_error("User %s(%ld) is not allowed to %s the mail queue",
		user ? user->pw_name : "unknown", (long)getuid(), what);
	exit(EX_UNAVAILABLE);
}

static bool print(void *context, struct buf *out)
{
	(void)context;
	fwrite(out->p, 1, out->len, stdout);
	buf_clear(out);
	return true;
}

static void list_offline(const struct conf *conf, bool is_json)
{
	struct listing list = { .is_json = is_json,
		.long_ids = conf->enable_long_queue_ids };

	if (!look_offline(conf, &list, print, NULL))
		unavailable("Queue report unavailable - mail system is down");
}

/* ---- asking ---- */

/* Up to the NUL at its end. False: that did not come. */
static bool pass_on(FILE *ask)
{
	static char octets[64 * 1024];
	ssize_t len;

	while ((len = read(fileno(ask), octets, sizeof(octets))) > 0) {
		const char *end = memchr(octets, '\0', (size_t)len);
		size_t some = end ? (size_t)(end - octets) : (size_t)len;

		if (fwrite(octets, 1, some, stdout) < some)
			return true; /* a pager has seen enough */
		if (end)
			return true;
	}
	return false;
}

static void list(const struct conf *conf, bool is_json)
{
	auto_arena struct arena *arena = arena_new(0);
	FILE *ask = ask_open(conf, "showq");
	struct str line;

	if (!ask && look_is_allowed(conf)) {
		list_offline(conf, is_json);
		return;
	}
	if (ask)
		setvbuf(ask, NULL, _IONBF, 0); /* see pass_on */
	if (!ask || !ask_send(ask, is_json ? STR("json") : STR("text")) ||
		!ask_line(ask, arena, &line))
		unavailable("Queue report unavailable - mail system is down");
	if (!str_is(line, "+"))
		denied("view");
	if (!pass_on(ask))
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
		if (str_is(line, "-not eligible"))
			unavailable(arena_fmt(arena, "Flush service is not "
				"configured for destination \"%s\"",
				argument).p);
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

static _Noreturn void invalid(int operation, const char *argument)
{
	auto_arena struct arena *arena = arena_new(0);

	unavailable(arena_fmt(arena, "Cannot flush %s: \"%s\"",
		operation == 'i' ? "queue ID - invalid name" :
				   "mail queue - invalid destination",
		argument).p);
}

static void set(struct request *request, int operation, const char *argument)
{
	if (request->operation)
		usage();
	if (argument && !is_word(argument))
		invalid(operation, argument);
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
	log_fatal_status(EX_UNAVAILABLE);
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
