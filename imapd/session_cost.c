/*
 * What commands cost a message: one session over a mailbox of N messages that
 * another program delivered, in this process; its instructions are counted
 * from outside (tests/cost_test.py).
 *
 *	session_cost N [COMMANDS]
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>

#include "mailbox/stand.h"
#include "service/stand.h"

enum {
	LINES = 30, /* of 60 octets */
};

static const struct session_conf conf = SESSION_USUAL;
static const struct service imapd = { .name = "imapd", .calls = "" };

struct load {
	int count;
	const char *commands; /* each with CRLF at its end */
};

static void put(const struct mailbox_store *store, int n)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cur/%d.cost%d.example:2,S",
		store->path, 1790000000 + n, n);
	file = fopen(path, "we");
	if (!file)
		panic("%s: %m", path);
	fprintf(file, "From: \"Name %d\" <a%d@example.net>\n"
		"To: b%d@example.org, c@example.org\nSubject: Re: words %d\n"
		"Date: Sun, %d Nov 2026 %02d:%02d:00 +0000\n"
		"Message-ID: <%d@example.net>\nReferences: <%d@example.net>\n"
		"MIME-Version: 1.0\nContent-Type: text/plain\n\n",
		n % 97, n % 97, n % 10, n * 7919 % 1000, 1 + n % 28, n % 24,
		n % 60, n, n / 2);
	for (int i = 0; i < LINES; i++)
		fprintf(file, "Some text that is long enough for a line, and a "
			"bit more\n");
	if (fclose(file) != 0)
		panic("%s: %m", path);
}

static void run_client(struct client *client, void *context)
{
	session_run(context, client->io, client->arena, STR("joe"), STR_NONE,
		&conf);
}

static void run(void *context)
{
	const struct load *load = context;
	struct mailbox_store *store = stand_store_open("maildir++");

	for (int i = 0; i < load->count; i++)
		put(store, i);
	mailbox_store_busy(store); /* nothing is done in the background */
	stand_session(run_client, store, str_from(load->commands));
	mailbox_store_idle(store);
	stand_store_close(store);
	io_stop();
}

int main(int argc, char **argv)
{
	struct load load = {
		.count = argc > 1 ? atoi(argv[1]) : 1,
		.commands = argc > 2 ? argv[2] : "a SELECT INBOX\r\n\1w",
	};

	stand_open(&imapd, conf_for_test(arena_new(0), NULL));
	io_run(run, &load);
	return 0;
}
