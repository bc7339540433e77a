/*
 * session - one LMTP connection, and the message under way.
 */
#ifndef LMTPD_SESSION_H
#define LMTPD_SESSION_H

#include "base/status.h"
#include "maps/match.h"
#include "maps/tls_server.h"
#include "service/service.h"
#include "smtp/data.h"
#include "smtp/reply.h"

enum {
	INLINE_MOST = 64 * 1024, /* octets that travel inside the message */
	/* Octets of messages that a process holds at once; one that is alone
	 * may be larger. */
	HELD_MOST = 256 * 1024 * 1024,
	GROUP_MOST = 100, /* recipients that virtual is asked about at once */
};

enum {
	AT_START = 1, /* before LHLO */
	AT_IDLE = 2,
	AT_MAIL = 4,  /* after MAIL, maybe RCPT */
	AT_BDAT = 8,  /* a chunk was accepted, not the last one */
	AT_ANY = 15,
};

struct recipient {
	struct str address, orig, orcpt;
	unsigned notify;      /* DSN_NOTIFY_* */
	struct status status; /* of the last handover; code 0: to be asked */
};

struct recipients {
	struct recipient *all;
	size_t count, capacity;
};

struct mail {
	struct arena *arena;
	struct str id, sender, encoding, envid;
	uint64_t nonce;
	unsigned flags; /* DELIVER_* */
	unsigned ret;   /* DSN_RET_* */
	int64_t arrival_us;
	struct recipients accepted;
	struct recipients asked; /* a group of RCPT without replies yet */
	/* The content with LF line ends. */
	struct smtp_decoder decoder;
	struct buf text; /* all of it, until it goes to `file` */
	int file;        /* memfd; -1: none */
	uint64_t octets; /* that the client has sent */
	uint64_t held;   /* of HELD_MOST */
	bool is_too_big, has_failed;
	bool is_spoiled; /* a chunk was refused: only RSET helps */
};

struct session {
	const struct conf *conf;
	struct client *client;
	struct stream *io;
	struct arena *home;  /* until the end of the connection */
	struct arena *arena; /* until the end of the command */
	bool is_unix;        /* through a path */
	/* Whom mail comes from: the client, or whom XCLIENT names. */
	struct str address, name, port, label, login, protocol;
	struct str hello;    /* of LHLO */
	struct str helo;     /* of XCLIENT; NONE: hello */
	struct str peer;     /* the client's own address */
	struct tls_session tls;
	bool has_tls;
	unsigned stage, errors;
	struct mail *mail;
	bool is_gone;
};

/* What the process knows before it serves. */
struct server {
	struct arena *arena; /* of the process */
	struct match *networks; /* who may hand in mail over the network */
	struct match *proxies;  /* who may say XCLIENT */
	struct tls_server tls;
};

extern struct server server;

/* The verb has answered itself. */
#define ANSWERED ((struct status){ .code = 0 })

void answer(struct session *s, struct status status);
/* The greeting; also after XCLIENT. */
struct status greeting(const struct session *s);
/* STARTTLS may be said: a network client, and there is a key. */
bool may_start_tls(const struct session *s);

/* ---- verbs; RFC 2033 4, RFC 5321 4.1.1 ---- */

struct status verb_lhlo(struct session *s, struct str arguments);
struct status verb_starttls(struct session *s, struct str arguments);
struct status verb_xclient(struct session *s, struct str arguments);
struct status verb_mail(struct session *s, struct str arguments);
struct status verb_rcpt(struct session *s, struct str arguments);
/* No more can be read (errno of that read): the session is over, and what
 * comes next is no command. What to say, if anything. */
struct status session_lost(struct session *s, int error);
struct status verb_data(struct session *s, struct str arguments);
struct status verb_bdat(struct session *s, struct str arguments);
struct status verb_rset(struct session *s, struct str arguments);
struct status verb_noop(struct session *s, struct str arguments);
struct status verb_vrfy(struct session *s, struct str arguments);
struct status verb_quit(struct session *s, struct str arguments);

/* ---- mail.c ---- */

void mail_end(struct session *s);
struct status unsupported(struct session *s, struct str option);

/* ---- rcpt.c ---- */

/* Ask about the recipients that have no reply yet, and reply. Waits. */
void rcpt_settle(struct session *s);

/* ---- hello.c ---- */

/* The handshake. False: the client is gone. */
must_check bool tls_begin(struct session *s);

/* ---- content.c ---- */

/* There is room for a message of this size; it is kept for it. */
must_check bool content_reserve(struct mail *m, uint64_t octets);
void content_free(struct mail *m);
/* Our Received: field; then what the client sends. */
void content_begin(struct session *s, bool is_chunked);
/* Up to the final dot. False: the client has gone. */
must_check bool content_read(struct session *s);
/* `len` octets of a chunk; m NULL: they are dropped. False: the same. */
must_check bool content_read_chunk(struct session *s, uint64_t len,
	struct mail *m);
/* Nothing follows; the message is whole, or has_failed, or is_too_big. */
void content_end(struct session *s);

/* ---- handover.c ---- */

/* Give the message to virtual; flags: further DELIVER_* bits. Each recipient
 * has its status then; class 2: durable. Waits. */
void hand_over(struct session *s, struct mail *m, unsigned flags,
	const struct recipients *recipients);
/* The reports that NOTIFY=SUCCESS asks for, RFC 3461 5.2.3. Waits. */
void report_success(struct session *s, const struct mail *m);

#endif
