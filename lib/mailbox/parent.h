/*
 * mailbox/parent - what imapd and pop3d have in common: a parent that reads no
 * client's byte, and a process per user with a fiber per connection.
 *
 * auth, and nobody else, tells the parent whose mailbox it is (auth_grant) and
 * gives it the client's connection (handover), which login gave auth. So login
 * cannot name a user. The connection goes as a descriptor to the user's process,
 * which is forked for the first one and stays a while after the last. The call
 * that passes it on stays open as long as the connection lives. The answer that
 * all is well is for login, which only closes its copy of the socket then, and
 * so it has time (call_defer), as has the end of the call of the user's process.
 *
 * A crash counts against the user, who is refused for a while after several;
 * after any crash the parent has master start a successor, so that what the
 * crash may have taught somebody about its memory is worth nothing.
 *
 * Waits    parent_serve, parent_finish
 */
#ifndef MAILBOX_PARENT_H
#define MAILBOX_PARENT_H

#include "config/config.h"
#include "io/stream.h"
#include "ipc/peer.h"
#include "mailbox/store.h"

/* A connection of a user, in the user's process. */
struct mailbox_login {
	struct mailbox_store *store;
	struct stream *io;
	struct arena *arena;
	struct str user;
	struct str tag; /* of the command that login left unanswered */
	bool is_utf8;        /* POP3: UTF8 was said */
	struct str language; /* POP3: of LANG, or empty */
};

struct mailbox_service {
	const char *name;
	/* In a fiber; the connection ends when it returns. */
	void (*session)(struct mailbox_login *login);
	/* Cannot be done: tell the client. */
	const char *unavailable;
};

/* In .prepare, .start, .serve and .finish of the daemon. A layout that there
 * is not ends the process. */
void mailbox_parent_prepare(const struct conf *conf);
void mailbox_parent_start(const struct mailbox_service *service);
void mailbox_parent_serve(const struct conf *conf, struct call *call);
void mailbox_parent_finish(void);

/* With -s: the connection on stdin and stdout, of the user and the mail that
 * POSTHORN_USER and POSTHORN_MAIL name; POSTHORN_CLIENTS: how many more, on
 * descriptors from 3 on. */
void mailbox_alone(const struct mailbox_service *service,
	const struct conf *conf, struct stream *io, struct arena *arena);

#endif
