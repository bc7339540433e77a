/*
 * commands/sendmail_drop - where a submission goes: pickup's socket, or a
 * file in maildrop/ when nobody listens there.
 *
 * Errors   a message and the end of the process with EX_TEMPFAIL; nothing was
 *          accepted then
 */
#ifndef COMMANDS_SENDMAIL_DROP_H
#define COMMANDS_SENDMAIL_DROP_H

#include "base/buf.h"
#include "config/config.h"

struct drop {
	int fd;
	bool is_file;
	struct buf pending;
	char temporary[64]; /* file name in maildrop/ */
	int folder;
	char final[64];
	bool refused; /* pickup closed early: its answer says why */
};

void drop_open(struct drop *drop, const struct conf *conf);
/* Lines of queue/maildrop.h. */
void drop_add(struct drop *drop, struct str lines);
/* Content, in chunks. */
void drop_content(struct drop *drop, struct str octets);
/* Nothing was submitted. */
void drop_cancel(struct drop *drop);
/* Send the end; returns when the message is durable. */
void drop_commit(struct drop *drop);

#endif
