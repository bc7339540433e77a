/*
 * session - one LMTP connection, and the message under way.
 */
#ifndef LMTPD_SESSION_H
#define LMTPD_SESSION_H

#include "base/status.h"
#include "service/service.h"
#include "smtp/data.h"
#include "smtp/reply.h"

enum {
	INLINE_MOST = 64 * 1024, /* octets that travel inside the message */
};

enum {
	AT_START = 1, /* before LHLO */
	AT_IDLE = 2,
	AT_MAIL = 4,  /* after MAIL, maybe RCPT */
	AT_ANY = 7,
};

struct recipient {
	struct str address, orig;
	struct status status; /* of the last handover */
};

struct mail {
	struct arena *arena;
	struct str id, sender, encoding;
	uint64_t nonce;
	unsigned flags; /* DELIVER_* */
	int64_t arrival_us;
	struct recipient *recipients;
	size_t count, capacity;
	/* The content with LF line ends. */
	struct smtp_decoder decoder;
	struct buf text; /* all of it, until it goes to `file` */
	int file;        /* memfd; -1: none */
	uint64_t octets;
	bool is_too_big, has_failed;
};

struct session {
	const struct conf *conf;
	struct client *client;
	struct stream *io;
	struct arena *home;  /* until the end of the connection */
	struct arena *arena; /* until the end of the command */
	struct str address, label, hello;
	unsigned stage, errors;
	struct mail *mail;
	bool is_gone;
};

/* The verb has answered itself. */
#define ANSWERED ((struct status){ .code = 0 })

void answer(struct session *s, struct status status);
void mail_end(struct session *s);

/* ---- verbs.c; RFC 2033 4, RFC 5321 4.1.1 ---- */

struct status verb_lhlo(struct session *s, struct str arguments);
struct status verb_mail(struct session *s, struct str arguments);
struct status verb_rcpt(struct session *s, struct str arguments);
struct status verb_data(struct session *s, struct str arguments);
struct status verb_rset(struct session *s, struct str arguments);
struct status verb_noop(struct session *s, struct str arguments);
struct status verb_vrfy(struct session *s, struct str arguments);
struct status verb_quit(struct session *s, struct str arguments);

/* ---- content.c ---- */

/* Up to the final dot. False: the client has gone. */
must_check bool content_read(struct session *s);

/* ---- handover.c ---- */

/* Give the message to virtual; flags: further DELIVER_* bits. Each recipient
 * has its status then; class 2: durable. Waits. */
void hand_over(struct session *s, struct mail *m, unsigned flags,
	struct recipient *recipients, size_t count);

#endif
