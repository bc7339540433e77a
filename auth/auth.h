/*
 * auth - what the files of the auth daemon tell each other.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "auth/users.h"
#include "config/config.h"
#include "ipc/messages.h"

/* As in msg_auth_verdict. */
enum verdict {
	VERDICT_ACCEPTED,
	VERDICT_WRONG,
	VERDICT_TEMPORARY,
	VERDICT_FORBIDDEN,
	VERDICT_ABORTED,
};

/* One SASL exchange with an asker. */
struct exchange {
	const struct conf *conf;
	struct call *call;
	struct arena *arena;       /* until the verdict */
	struct msg_auth_start start;
	struct msg_handover handover; /* socket: ours to close; -1: none yet */
	struct msg_auth_grant grant;  /* of who is accepted */
	struct str claimed;        /* the name that was given, once known */
	const char *why;           /* of what is not accepted */
	struct str final;          /* data with success; NONE: none */
	struct str user;           /* who it is, as the file has it */
};

/* Send a challenge and wait for the answer. False: the asker is gone. */
must_check bool exchange_ask(struct exchange *x, struct str challenge,
	struct str *response);
/* check.c: after a mechanism knows the password of x->claimed; waits. open:
 * before the first fork. */
void check_open(const struct conf *conf);
void check_start(void);
enum verdict exchange_check_password(struct exchange *x, struct str password);

/* cyrus.c: the mechanisms that Cyrus SASL runs. open: before the sandbox
 * closes. offer: the names, for good; the library is asked once. */
void cyrus_open(const struct conf *conf);
size_t cyrus_offer(const struct conf *conf, struct str service, bool secured,
	const struct str **names);
enum verdict cyrus_run(struct exchange *x);

/* plain.c */
enum verdict plain_run(struct exchange *x);

/* dovecot.c: the same by Dovecot's auth, whose socket is at `place`. Wait. */
size_t dovecot_offer(struct arena *arena, struct str place,
	struct str **names);
enum verdict dovecot_run(struct exchange *x);

/* scram.c */
void scram_open(void);
enum verdict scram_run(struct exchange *x);

/* store.c: the users file. now: as it is at this moment; looks at most once
 * in some milliseconds. The result is valid until the next call. */
void store_open(const struct conf *conf);
const struct users *store_now(void);
/* With smtpd_sasl_local_domain for a name without domain. */
const struct user *store_find(struct arena *arena, struct str name);
/* What to hash a password with when there is no such user. */
struct str store_decoy(struct arena *arena, struct str name);

/* workers.c: children that compute; wait. False: none could answer. */
void workers_open(void);
void workers_start(void);
must_check bool workers_check(struct arena *arena, struct str hash,
	struct str password, bool *fits);
must_check bool workers_account(struct arena *arena, struct str name,
	struct msg_auth_account_is *is);

/* delay.c: who has failed lately has to wait, alone. */
void delay_open(void);
/* False: too many of this address wait already. */
must_check bool delay_enter(struct str address);
/* The answer to a failure may go out when this returns. Waits. */
void delay_failure(struct str address);
void delay_success(struct str address);
void delay_leave(struct str address);

/* grant.c: the mailbox of who is accepted, and the client's connection on its
 * way there. find: where it is. pass: x->handover to the parent of imapd or
 * pop3d; 0, or an errno; nobody else has the socket then, or ever had it here.
 * Wait; what fails was logged. */
must_check bool grant_find(struct exchange *x);
void grant_drop(struct exchange *x); /* the socket, if we have it */
int grant_pass(struct exchange *x);

#endif
