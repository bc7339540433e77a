/*
 * commands/queue - what the files of `posthorn queue` share.
 *
 * Waits    all (the process; for commands only)
 */
#ifndef COMMANDS_QUEUE_H
#define COMMANDS_QUEUE_H

#include "base/table.h"
#include "config/config.h"
#include "queue/listing.h"

/* Which messages are meant: all that is set must hold. */
struct selection {
	const char *from, *to;   /* patterns of fnmatch(3); NULL: any */
	struct str domain;       /* of a recipient; ".x": below x */
	const char *reason;      /* part of a recipient's reason */
	struct str queues;       /* names; empty: all */
	int64_t before_us, after_us; /* arrival; 0: any */
	uint64_t size_least, size_most;
	struct table *ids;       /* NULL: any */
	bool all;                /* --all: said in so many words */
	bool restricts;          /* something is set */
};

bool selection_has(const struct selection *selection,
	const struct listed_message *message);
/* Of an option's value; a wrong one ends the process. */
void selection_older(struct selection *selection, const char *text);
void selection_newer(struct selection *selection, const char *text);
void selection_size(struct selection *selection, const char *text);
void selection_queue(struct selection *selection, struct arena *arena,
	const char *text);
/* An ID, or "-": a list on standard input. */
void selection_id(struct selection *selection, struct arena *arena,
	const char *text);

struct queue_job {
	struct arena *arena;
	const struct conf *conf;
	const char *verb;
	struct selection selection;
	bool json, dry_run;
	int argc; /* what stands behind the options */
	char **argv;
};

/* queue_print.c: a message for people, and as a line of JSON. */
void print_message(const struct listed_message *message);
void print_json(const struct listed_message *message);
void format_json(struct buf *out, const struct listed_message *message);
void print_total(size_t messages, size_t recipients, uint64_t octets);

/* queue_details.c: everything that is known of messages; exit status. */
int run_show(struct queue_job *job, const struct listed_message *messages,
	size_t count);

#endif
