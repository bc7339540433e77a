/*
 * smtp/session - a conversation with one server, from the connection to the
 * point where MAIL may be sent.
 *
 * Memory   an arena of its own: a session may outlive the delivery
 * Waits    session_open, session_reply, session_close
 * Errors   after a false the session is broken; the trouble says how mail
 *          users are told
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "base/list.h"
#include "smtp/route.h"
#include "smtp/tls_policy.h"
#include "talk/talk.h"

struct session {
	struct list link; /* in the pool */
	struct arena *arena;
	struct talk talk;
	const struct settings *set;
	struct site site;       /* in the session's arena */
	bool is_verified;
	bool keeps_tls;         /* may be used again with TLS, too */
	bool is_authenticated;
	bool no_ehlo, slow_dot; /* a firewall that spoils them is before it */
	bool is_debugged;       /* debug_peer_list */
	struct str address;     /* as text; empty: a UNIX socket */
	struct str nexthop;     /* pool: what it was opened for */
	struct str sign;        /* pool: policy and account it was opened with */
	struct moment opened, idle_since;
	unsigned uses;          /* transactions so far */
	uint64_t number;        /* in the pool's order */
};

/* The account at a server; user empty: none. */
struct account {
	struct str user, password;
};

struct opening {
	struct arena *arena;    /* of the delivery, for troubles */
	const struct settings *set;
	const struct talk_destination *destination;
	const struct site *site;
	const struct tls_policy *policy;
	struct str sign;        /* session.sign */
	struct account account;
	struct str queue_id;    /* for the log */
	int64_t arrival_us;     /* of the message: how old it is */
};

/* A line of the dialogue, for the log, if debug_peer_list says so. */
void session_debug(const struct session *session, const char *way,
	struct str line);

/* NULL: trouble. */
struct session *session_open(const struct opening *opening,
	struct outcome *trouble);
/* QUIT if it is not broken, then close; the answer is awaited only if
 * smtp_skip_quit_response = no. */
void session_close(struct session *session);

/*
 * The next reply, in `arena`. `phase`: "sending RCPT TO", for the log. False:
 * broken; *trouble says "lost connection with ... while <phase>".
 */
must_check bool session_reply(struct session *session, struct arena *arena,
	struct span timeout, const char *phase, struct smtp_reply *reply,
	struct outcome *trouble);
/* The trouble of a stream that failed. */
struct outcome session_lost(const struct session *session,
	struct arena *arena, const char *phase);
/* "host X said: 550 ... (in reply to RCPT TO command)". */
struct outcome session_said(const struct session *session,
	struct arena *arena, const struct smtp_reply *reply,
	const char *command);
/* Write and wait for the answer. */
must_check bool session_command(struct session *session, struct arena *arena,
	struct str line, struct span timeout, const char *phase,
	struct smtp_reply *reply, struct outcome *trouble);

#endif
