/*
 * commands/drop - where a submission goes: pickup's socket, or a
 * file in maildrop/ when nobody listens there.
 *
 * Errors   `failure` is an exit status of sysexits.h and `answer` says what
 *          went wrong: nothing was accepted, and the rest does nothing
 * Waits    all (the process; for commands only)
 */
#ifndef COMMANDS_DROP_H
#define COMMANDS_DROP_H

#include "base/buf.h"
#include "config/config.h"
#include "queue/message.h"

struct drop {
	int fd;
	bool is_file;
	struct buf pending;
	char temporary[64]; /* file name in maildrop/ */
	int folder;
	char final[256];
	bool refused; /* pickup closed early: its answer says why */
	int failure;  /* 0: none */
	char answer[1024]; /* of a commit: the queue ID */
};

void drop_open(struct drop *drop, const struct conf *conf);
/* Always a file in maildrop/. */
void drop_open_file(struct drop *drop, const struct conf *conf);
/* A file of this name in another folder. */
void drop_open_at(struct drop *drop, const char *folder, const char *name);
/* Lines of queue/maildrop.h. */
void drop_add(struct drop *drop, struct str lines);
/*
 * All lines before the content. `done`, per recipient: left out; addresses are
 * those before aliases then, for a message that is queued again, and its ID is
 * told. NULL: a new one, whose addresses are as they stand.
 */
void drop_envelope(struct drop *drop, const struct envelope *envelope,
	const bool *done);
/* Content, in chunks. */
void drop_content(struct drop *drop, struct str octets);
/* Nothing was submitted. */
void drop_cancel(struct drop *drop);
/* Send the end; true when the message is durable. `arrival_us` is when it
 * came, for pickup (0: now). */
must_check bool drop_commit(struct drop *drop, int64_t arrival_us);

#endif
