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
#include "mail/pop3_text.h"
#include "mailbox/ahead.h"
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
	bool seen;    /* by RETR, applied at the end */
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
	struct mailbox_ahead *ahead; /* NULL: RETR is not asked for in order */
	size_t expected; /* of messages: the one behind the last RETR */
	unsigned stage, bad;
	struct str user;
	enum pop3_language language;
	bool is_utf8; /* it may have messages as they are, RFC 6856 */
	int lock;     /* of the mailbox; -1: none */
};

/* What all sessions of the process have in common. */
struct settings {
	const struct conf *conf;
	struct str uidl_format; /* a good one */
};

extern struct settings settings;

/* In .prepare: read the parameters. */
void session_prepare(const struct conf *conf);

/* Serve until QUIT, the end of input or a timeout. */
void session_run(struct mailbox_login *login);

/* A reply that is one of the texts. True: it begins with +OK. */
bool say(struct session *s, enum pop3_text text);

/* ---- enter.c ---- */

/* May the session begin? False: *why not. The lock ends with leave(). */
must_check bool enter(struct session *s, enum pop3_text *why);
void leave(struct session *s);

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
bool verb_lang(struct session *s, struct str args);
bool verb_utf8(struct session *s, struct str args);
bool verb_quit(struct session *s, struct str args);

#endif
