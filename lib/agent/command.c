#include "agent/command.h"

#include "base/log.h"
#include "config/list.h"
#include "io/fiber.h"
#include "io/stream.h"
#include "mail/address.h"
#include "smtp/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* A program that runs. */
struct running {
	struct delivery *delivery;
	const struct command_plan *plan;
	struct program program;
	struct stream *input, *output;
	struct buf printed;
	bool output_over;
	struct io_event event;
};

static bool begin(struct running *run)
{
	auto_close int in_read = -1, in_write = -1;
	auto_close int out_read = -1, out_write = -1;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return false;
	in_read = pair[0];
	in_write = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return false;
	out_read = pair[0];
	out_write = pair[1];
	if (!program_start(&run->program, &run->plan->program, in_read,
		    out_write))
		return false;
	run->input = stream_open(run->delivery->arena, fd_keep(&in_write));
	run->output = stream_open(run->delivery->arena, fd_keep(&out_read));
	return true;
}

/* What it prints is read to the end, so that it never has to wait. */
static void read_output(void *context)
{
	struct running *run = context;
	struct str octets;

	while (io_peek(run->output, &octets, run->plan->time_limit)) {
		size_t room = COMMAND_OUTPUT_MOST - run->printed.len;

		buf_add(&run->printed, str_first(octets, room));
		stream_consume(run->output, octets.len);
	}
	run->output_over = true;
	io_event_wake_all(&run->event);
}

struct feed {
	struct running *run;
	struct buf out;
	bool at_start;
};

static void add_line(struct feed *feed, struct str line, bool complete)
{
	unsigned flags = feed->run->plan->flags;

	if (feed->at_start && (flags & COMMAND_QUOTE_FROM) &&
		str_starts(line, STR("From ")))
		buf_char(&feed->out, '>');
	if (feed->at_start && (flags & COMMAND_STUFF_DOTS) &&
		str_starts(line, STR(".")))
		buf_char(&feed->out, '.');
	buf_add(&feed->out, line);
	if (complete)
		buf_text(&feed->out, feed->run->plan->eol);
	feed->at_start = complete;
}

static bool feed_block(struct feed *feed, struct str block)
{
	buf_clear(&feed->out);
	while (block.len > 0) {
		size_t end = str_find_char(block, '\n');
		struct str line =
			end == SIZE_MAX ? block : str_first(block, end);

		add_line(feed, line, end != SIZE_MAX);
		block = str_skip(block,
			end == SIZE_MAX ? block.len : end + 1);
	}
	return io_write(feed->run->input, buf_str(&feed->out));
}

static void add_from_line(struct feed *feed)
{
	const struct delivery *delivery = feed->run->delivery;
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	localtime_r(&now, &tm);
	buf_text(&feed->out, "From ");
	if (delivery->m.sender.len > 0)
		mail_address_format(&feed->out, delivery->m.sender);
	else if (feed->run->plan->null_sender.len == 0)
		buf_text(&feed->out, "MAILER-DAEMON");
	else
		buf_add(&feed->out, feed->run->plan->null_sender);
	asctime_r(&tm, text);
	buf_fmt(&feed->out, " %.24s%s", text, feed->run->plan->eol);
}

/* False: the content could not be read. A program that does not want all of
 * its input is no error. */
static bool feed_content(struct running *run)
{
	struct delivery *delivery = run->delivery;
	struct feed feed = {
		.run = run,
		.out = BUF_IN(delivery->arena),
		.at_start = true,
	};
	struct content_reader reader;
	struct str octets;

	stream_write_timeout(run->input, run->plan->time_limit);
	if (run->plan->flags & COMMAND_FROM_LINE) {
		add_from_line(&feed);
		io_write(run->input, buf_str(&feed.out));
	}
	feed_block(&feed, run->plan->head);
	content_open(&reader, delivery->arena, &delivery->content);
	do {
		if (!content_next(&reader, &octets))
			return false;
		if (!feed_block(&feed, octets))
			return true;
	} while (octets.len > 0);
	if (run->plan->flags & COMMAND_BLANK_LINE)
		io_text(run->input, run->plan->eol);
	io_flush(run->input, run->plan->time_limit);
	return true;
}

struct status command_run(struct delivery *delivery,
	const struct command_plan *plan)
{
	struct running run = {
		.delivery = delivery,
		.plan = plan,
		.printed = BUF_IN(delivery->arena),
	};
	struct moment end = moment_after(plan->time_limit);
	bool good, late;
	int status;

	io_event_init(&run.event);
	if (!begin(&run))
		return status_f(delivery->arena, 451, 3, 0,
			"cannot start %s: %m", plan->program.what);
	io_spawn("output", read_output, &run);
	good = feed_content(&run);
	stream_close(run.input);
	status = program_end(&run.program, end, &late);
	while (!run.output_over)
		if (!io_event_wait(&run.event, SPAN_FOREVER))
			io_uncancel();
	if (!good)
		return STATUS(451, 3, 0, "queue file read error");
	if (late)
		return status_f(delivery->arena, 550, 3, 0,
			"Command time limit exceeded: \"%s\"%s%.*s",
			plan->program.what,
			run.printed.len ? ". Command output: " : "",
			STR_ARG(str_trim(buf_str(&run.printed))));
	return command_status(delivery->arena, status, plan->program.what,
		buf_str(&run.printed));
}

static const struct exit_row {
	int number;
	uint16_t code, subject, detail;
	const char *text;
} exit_rows[] = {
	{ EX_USAGE, 550, 3, 0, "command line usage error" },
	{ EX_DATAERR, 550, 6, 0, "data format error" },
	{ EX_NOINPUT, 550, 3, 0, "cannot open input" },
	{ EX_NOUSER, 550, 1, 1, "user unknown" },
	{ EX_NOHOST, 550, 1, 2, "host name unknown" },
	{ EX_UNAVAILABLE, 550, 3, 0, "service unavailable" },
	{ EX_SOFTWARE, 550, 3, 0, "internal software error" },
	{ EX_OSERR, 451, 3, 0, "system resource problem" },
	{ EX_OSFILE, 550, 3, 0, "critical OS file missing" },
	{ EX_CANTCREAT, 550, 2, 0, "can't create user output file" },
	{ EX_IOERR, 550, 3, 0, "input/output error" },
	{ EX_TEMPFAIL, 451, 3, 0, "temporary failure" },
	{ EX_PROTOCOL, 550, 5, 0, "remote error in protocol" },
	{ EX_NOPERM, 550, 7, 0, "permission denied" },
	{ EX_CONFIG, 550, 3, 5, "local configuration error" },
};

static const struct exit_row *find_exit(int number)
{
	for (size_t i = 0; i < COUNT(exit_rows); i++)
		if (exit_rows[i].number == number)
			return &exit_rows[i];
	return NULL;
}

static struct str printable(struct arena *arena, struct str output)
{
	struct str text = arena_copy(arena, str_trim(output));
	char *p = arena_cstr(arena, text);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = p[i] == '\n' ? ' ' : '?';
	return str_of(p, text.len);
}

struct status command_status(struct arena *arena, int wait_status,
	const char *what, struct str output)
{
	struct str text = printable(arena, output);
	const char *lead = text.len ? ". Command output: " : "";
	const struct exit_row *row;
	struct status status = { 0 };
	struct str rest = text;
	unsigned class;

	if (WIFSIGNALED(wait_status))
		return status_f(arena, 451, 3, 0,
			"Command died with signal %d: \"%s\"%s%.*s",
			WTERMSIG(wait_status), what, lead, STR_ARG(text));
	if (WEXITSTATUS(wait_status) == 0) {
		status = STATUS(250, 0, 0, "");
		status.text = text;
		return status;
	}
	row = find_exit(WEXITSTATUS(wait_status));
	class = smtp_enhanced_take(&rest, &status); /* "5.7.1 text" printed */
	if (class == 4 || class == 5) {
		status.code = class == 4 ? 451 : 550;
		status.text = rest;
		return status;
	}
	if (row)
		return status_f(arena, row->code, row->subject, row->detail,
			"%s%s%.*s", row->text, lead, STR_ARG(text));
	return status_f(arena, 550, 3, 0,
		"Command died with status %d: \"%s\"%s%.*s",
		WEXITSTATUS(wait_status), what, lead, STR_ARG(text));
}

/* Words that only the shell knows. */
static bool is_shell_word(struct str word)
{
	static const char *const words[] = { "exec", "exit", "if", "for",
		"while", "case", "cd", "set", "export", "umask", "ulimit",
		"trap", "eval", ".", ":", "read", "wait", "test", "[" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_is(word, words[i]))
			return true;
	return false;
}

static bool needs_shell(struct str text)
{
	const struct str special = STR("|&;<>()$`\\\"'*?[]#~=%{}!\n");
	struct str rest = text;

	for (size_t i = 0; i < text.len; i++)
		if (str_find_char(special, text.p[i]) != SIZE_MAX)
			return true;
	return is_shell_word(str_take_word(&rest));
}

char **command_words(struct arena *arena, struct str text)
{
	char **argv = arena_array(arena, COMMAND_WORDS_MOST + 1,
		sizeof(*argv));
	size_t count = 0;
	struct str word;

	if (needs_shell(text)) {
		argv[0] = arena_cstr(arena, STR("/bin/sh"));
		argv[1] = arena_cstr(arena, STR("-c"));
		argv[2] = arena_cstr(arena, text);
		return argv;
	}
	while (count < COMMAND_WORDS_MOST &&
		str_take_item(&text, " \t", &word))
		argv[count++] = arena_cstr(arena, word);
	return argv;
}

/* export_environment: names, and name=value. */
static bool take_exported(struct arena *arena, struct str *rest,
	struct str *assignment)
{
	struct str element;

	while (list_take(rest, &element)) {
		const char *value;

		list_unbrace(&element);
		*assignment = element;
		if (str_find_char(element, '=') != SIZE_MAX)
			return true;
		value = getenv(arena_cstr(arena, element));
		*assignment = arena_fmt(arena, "%.*s=%s", STR_ARG(element),
			value ? value : "");
		if (value)
			return true;
	}
	return false;
}

struct str *command_environment(struct arena *arena, const struct conf *conf,
	size_t room, size_t *count)
{
	struct str rest = conf->export_environment;
	struct str *items = arena_array(
		arena, rest.len + 1 + room, sizeof(*items));

	items[0] = STR("PATH=/usr/bin:/bin");
	*count = 1;
	while (take_exported(arena, &rest, &items[*count]))
		(*count)++;
	return items;
}

char **command_environ(struct arena *arena, const struct conf *conf)
{
	size_t count;
	struct str *items = command_environment(arena, conf, 0, &count);
	char **environment = arena_array(arena, count + 1,
		sizeof(*environment));

	for (size_t i = 0; i < count; i++)
		environment[i] = arena_cstr(arena, items[i]);
	return environment;
}

struct str command_filter(struct arena *arena, struct str text,
	struct str allowed)
{
	char *copy = arena_cstr(arena, text);

	for (size_t i = 0; i < text.len; i++)
		if (str_find_char(allowed, copy[i]) == SIZE_MAX)
			copy[i] = '_';
	return str_of(copy, text.len);
}
