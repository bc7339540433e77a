/*
 * session - one POP3 connection in the TRANSACTION state (RFC 1939 5).
 *
 * The messages are those of INBOX when the connection began, numbered from 1;
 * what comes later is seen by the next one. What another program removes
 * meanwhile keeps its number and cannot be read any more.
 */
#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include "io/stream.h"
#include "mailbox/parent.h"
#include "mailbox/store.h"

enum {
	TRANSACTION = 1,
	GONE = 2,
};

enum {
	LINE_MOST = 512, /* RFC 2449 4 says 255 */
	BAD_MOST = 20,
};

/* RFC 1939 3 asks for 10 minutes at least. */
#define IDLE_LIMIT span_s(10 * 60)

struct message {
	uint32_t uid;
	bool deleted; /* by DELE, applied by QUIT */
	uint64_t octets;
};

struct session {
	struct mailbox_store *store;
	struct stream *io;
	struct arena *arena;   /* until the end of the connection */
	struct arena *command; /* until the end of the command */
	struct mailbox *inbox;
	struct message *messages; /* messages[number - 1] */
	size_t count;
	unsigned stage, bad;
	struct str user;
};

/* Serve until QUIT, the end of input or a timeout. */
void session_run(struct mailbox_login *login);

/* ---- verbs: each writes its whole reply; false: a bad command ---- */

bool verb_stat(struct session *s, struct str args);
bool verb_list(struct session *s, struct str args);
bool verb_uidl(struct session *s, struct str args);
bool verb_retr(struct session *s, struct str args);
bool verb_top(struct session *s, struct str args);
bool verb_dele(struct session *s, struct str args);
bool verb_rset(struct session *s, struct str args);
bool verb_noop(struct session *s, struct str args);
bool verb_capa(struct session *s, struct str args);
bool verb_quit(struct session *s, struct str args);

#endif
