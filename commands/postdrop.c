/*
 * postdrop - takes a message in Postfix's records on standard input, as
 * programs hand it over that were written for Postfix's postdrop.
 *
 * Room       the caller's own privileges: pickup knows the sender by the
 *            socket, or by the owner of the file in maildrop/
 * Calls      pickup on public/pickup
 */
#include "base/log.h"
#include "commands/drop.h"
#include "queue/maildrop.h"
#include "queue/postfix.h"
#include "service/command.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static const struct command command = {
	"postdrop",
	"[-rv] [-c config_dir]",
};

enum {
	BLOCK = 64 * 1024,
};

static struct str read_input(struct arena *arena, const struct conf *conf)
{
	int64_t limit = conf->message_size_limit;
	struct buf in = { .arena = arena, .limit = POSTFIX_FILE_MOST };
	ssize_t got = 1;

	/* Envelope records come on top of the content. */
	if (limit > 0 && limit < POSTFIX_FILE_MOST / 2)
		in.limit = (size_t)limit * 2 + MAILDROP_RECIPIENTS_MOST * 1024;
	while (got > 0) {
		if (!buf_room(&in, BLOCK))
			log_fatal("uid=%u: message too large",
				(unsigned)getuid());
		got = read(STDIN_FILENO, in.p + in.len, BLOCK);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			in.len += (size_t)got;
	}
	if (got < 0)
		log_fatal("uid=%u: read standard input: %m",
			(unsigned)getuid());
	return buf_str(&in);
}

/* Postfix's attribute form: names and values, NUL after each. */
static void say(const char *name, const char *value)
{
	fputs(name, stdout);
	putchar('\0');
	fputs(value, stdout);
	putchar('\0');
}

static void answer(const char *queue_id)
{
	say("protocol", "postdrop_protocol");
	say("queue_id", queue_id);
	putchar('\0');
	say("status", "0");
	say("reason", "");
	putchar('\0');
}

static void run(const struct conf *conf)
{
	struct arena *arena = arena_new(0);
	struct str in = read_input(arena, conf), content;
	struct envelope envelope;
	struct drop drop;

	if (in.len == 0)
		return; /* nothing was wanted of us */
	if (!postfix_message_parse(arena, in, &envelope, &content))
		log_fatal("uid=%u: malformed or incomplete message",
			(unsigned)getuid());
	if (envelope.recipient_count == 0)
		log_fatal("uid=%u: no recipients specified",
			(unsigned)getuid());
	drop_open(&drop, conf);
	drop_envelope(&drop, &envelope, NULL);
	drop_content(&drop, content);
	if (!drop_commit(&drop, 0))
		log_fatal("uid=%u: %s", (unsigned)getuid(), drop.answer);
	answer(drop.answer);
}

int main(int argc, char **argv)
{
	const char *directory = NULL;
	int letter;

	command_begin(&command, argc, argv);
	while ((letter = getopt(argc, argv, "c:rv")) >= 0) {
		if (letter == 'c')
			directory = optarg;
		else if (letter == '?')
			command_usage(&command);
	}
	if (optind < argc)
		command_usage(&command);
	run(command_conf(arena_new(0), directory));
	if (fflush(stdout) != 0)
		log_fatal("write: %m");
	return 0;
}
