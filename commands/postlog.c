/*
 * postlog - writes lines to the mail log.
 *
 * Room       the caller's own privileges
 * Calls      postlogd on public/postlog (postlog_service_name), or /dev/log
 */
#include "base/buf.h"
#include "base/log.h"
#include "service/command.h"

#include "log/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct command command = {
	"postlog",
	"[-iv] [-c config_dir] [-p priority] [-t tag] [text...]",
};

enum {
	LINE_MOST = 2048,
};

static enum log_level find_level(const char *word)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = {
		{ "info", LOG_LEVEL_INFO },   { "warn", LOG_LEVEL_WARNING },
		{ "warning", LOG_LEVEL_WARNING }, { "error", LOG_LEVEL_ERROR },
		{ "err", LOG_LEVEL_ERROR },   { "fatal", LOG_LEVEL_FATAL },
		{ "panic", LOG_LEVEL_PANIC },
	};

	for (size_t i = 0; i < COUNT(levels); i++)
		if (strcmp(word, levels[i].word) == 0)
			return levels[i].level;
	log_fatal("unrecognized priority: %s", word);
}

/* Severe lines wait a second, so that a loop of them does no harm. */
static void write_line(enum log_level level, struct str text)
{
	text = str_first(text, LINE_MOST);
	if (level == LOG_LEVEL_FATAL || level == LOG_LEVEL_PANIC)
		sleep(1);
	log_at(level, "%.*s", STR_ARG(text));
}

static void write_words(enum log_level level, char **words)
{
	struct buf line = { 0 };

	for (; *words; words++) {
		if (line.len)
			buf_char(&line, ' ');
		buf_text(&line, *words);
	}
	write_line(level, buf_str(&line));
	buf_free(&line);
}

static void write_input(enum log_level level)
{
	char line[LINE_MOST + 2];

	while (fgets(line, sizeof(line), stdin))
		write_line(level, str_trim(str_from(line)));
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(0);
	enum log_level level = LOG_LEVEL_INFO;
	const char *directory = NULL, *tag = NULL;
	const struct conf *conf;
	int letter;

	command_begin(&command, argc, argv);
	while ((letter = getopt(argc, argv, "c:ip:t:v")) >= 0) {
		if (letter == 'c')
			directory = optarg;
		else if (letter == 'p')
			level = find_level(optarg);
		else if (letter == 't')
			tag = optarg;
		else if (letter == '?')
			command_usage(&command);
	}
	conf = command_conf(arena, directory);
	log_to_system(&(struct log_system){
		.tag = tag ? str_from(tag) :
			     arena_fmt(arena, "%.*s/postlog",
				     STR_ARG(conf->syslog_name)),
		.facility = conf->syslog_facility,
		.maillog_file = conf->maillog_file,
		.postlog_socket = arena_fmt(arena, "%.*s/public/%.*s",
			STR_ARG(conf->queue_directory),
			STR_ARG(conf->postlog_service_name)),
		.file_prefixes = conf->maillog_file_prefixes,
		.quiet = !isatty(STDERR_FILENO),
	});
	if (optind < argc)
		write_words(level, argv + optind);
	else
		write_input(level);
	return 0;
}
