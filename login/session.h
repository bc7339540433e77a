/*
 * login - a connection until it is handed over.
 */
#ifndef LOGIN_SESSION_H
#define LOGIN_SESSION_H

#include "base/network.h"
#include "config/config.h"
#include "ipc/messages.h"
#include "mail/pop3_text.h"
#include "service/service.h"
#include "tls/tls.h"

enum {
	ATTEMPTS_MOST = 3,   /* that fail; then the connection ends */
	LINE_MOST = 8192,    /* octets of a line, with its literals */
	WRITE_S = 30,
};

struct protocol;

/* What is handed over: the client's socket, or, with TLS, one end of a
 * socketpair, of which `ours` is the other; -1: none, or no more. */
struct passage {
	int theirs, ours;
};

struct session {
	const struct conf *conf;
	const struct protocol *protocol;
	struct client *client;
	struct stream *io;
	struct arena *arena;
	struct str rip, lip;         /* text forms; empty: not a socket */
	bool is_loopback, has_tls, is_gone;
	bool is_offered;             /* by the attempt at hand, to auth */
	bool is_passed;              /* to the user's process */
	bool is_lost;                /* it, or somebody on the way, has it */
	struct passage passage;      /* of the attempt at hand */
	struct tls_session tls;
	struct moment since;
	unsigned attempts;           /* to log in, that failed */
	struct str user, method;     /* of the last attempt, for the log */
	struct str tag;              /* IMAP: of the command at hand */
	struct {
		struct str user;     /* of USER */
		bool is_utf8;        /* UTF8 was said */
		bool has_language;   /* LANG was said */
		enum pop3_language language;
	} pop3;
	const char *end;             /* why it ended, for the log */
};

/* What IMAP and POP3 have of their own. */
struct protocol {
	const char *service;         /* "imap": to auth */
	const char *parent;          /* "imapd" */
	const char *timeout;         /* what a client is told at the end */
	const char *too_many;
	const char *lost;            /* its connection, on the way */
	void (*greet)(struct session *s);
	/* May set is_gone. */
	void (*run_line)(struct session *s, struct str line);
};

extern const struct protocol imap, pop3;

/* What became of an attempt to log in. */
enum outcome {
	OUTCOME_DONE,        /* handed over, and over */
	OUTCOME_WRONG,
	OUTCOME_UNAVAILABLE,
	OUTCOME_LOST,        /* the same, but who has the connection now? */
	OUTCOME_NO_MECHANISM,
	OUTCOME_NOT_IN_CLEAR, /* needs TLS first */
	OUTCOME_ABORTED,     /* "*" */
	OUTCOME_SYNTAX,      /* no base64 */
	OUTCOME_GONE,        /* the client */
	OUTCOMES,
};

/* server.c: TLS and what is the same for all connections. */
bool server_has_tls(void);
void server_prepare(const struct conf *conf);
/* Of TLS session tickets, from master. */
void server_ticket_keys(struct str keys);
/* The handshake. False: the session is over. */
must_check bool server_tls(struct session *s);

/* exchange.c */
/* Passwords may be sent: TLS, loopback, or allowed. */
bool is_secured(const struct session *s);
/* Names, separated and preceded by `before`, a literal:
 * " AUTH=PLAIN AUTH=..". */
struct str mechanisms_text(struct session *s, const char *before);
/* One attempt. `initial`: decoded; NONE: none was given. */
enum outcome attempt(struct session *s, struct str mechanism,
	struct str initial);
/* The same with a name and a password. */
enum outcome attempt_plain(struct session *s, struct str user,
	struct str password);
/* An initial response as it stands in a command: base64, or "=". */
must_check bool decode_initial(struct session *s, struct str text,
	struct str *initial);

/* pass.c: to the user's process, by way of auth. offer: in a call in which auth
 * knows what to do with it. False: it has not left. wait: what became of it;
 * OUTCOME_DONE, OUTCOME_UNAVAILABLE, OUTCOME_LOST. relay: with TLS, until the
 * end. close: what is left of an attempt's passage. */
must_check bool pass_offer(struct session *s, struct call *call);
enum outcome pass_wait(struct session *s, struct call *call);
void pass_relay(struct session *s);
void passage_close(struct session *s);

/* report.c */
void report_login(const struct session *s);
void report_end(const struct session *s);

#endif
