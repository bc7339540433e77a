/*
 * talk/request - MAIL and RCPT with what the server offers of their parameters.
 *
 * Source   RFC 5321 4.1.2, 1870 (SIZE), 6152 (BODY), 3461 (DSN), 6531
 *          (SMTPUTF8), 8689 (REQUIRETLS); XVERP of Postfix
 * Memory   appended to the buf given
 * Waits    no
 */
#ifndef TALK_REQUEST_H
#define TALK_REQUEST_H

#include "talk/features.h"

#include "base/buf.h"

/* Nothing in it can end the path, or the line. */
bool talk_is_harmless(struct str address);
/* The address in external form; or, if it is harmless, as it is. */
void talk_address_format(struct buf *out, struct str address, bool as_it_is);

struct talk_mail {
	struct str sender;   /* internal form */
	bool as_it_is;       /* not in external form: see talk_address_format */
	uint64_t size;
	bool is_8bit, utf8, requiretls;
	bool auth_nobody;    /* AUTH=<>, whatever is offered */
	uint64_t dsn_ret;    /* DSN_RET_... */
	struct str envid;    /* decoded; empty: none */
	struct str verp;     /* delimiters; NONE: no XVERP */
};

/* "MAIL FROM:<...> ...", without its end. */
void talk_mail_format(struct buf *out, const struct talk_mail *mail,
	const struct talk_features *features);

struct talk_rcpt {
	struct str address;
	bool as_it_is;
	uint64_t notify;     /* DSN_NOTIFY_... */
	struct str orcpt;    /* as received; none, or not one: left out */
};

void talk_rcpt_format(struct buf *out, const struct talk_rcpt *rcpt,
	const struct talk_features *features);

#endif
