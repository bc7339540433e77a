/*
 * smtp/xclient - XCLIENT: a proxy says on whose behalf it speaks.
 *
 *	XCLIENT NAME=host.example.com ADDR=192.0.2.1 HELO=x LOGIN=[UNAVAILABLE]
 *
 * XFORWARD: the same about one message only, for the log and what is passed
 * on.
 *
 * Source   Postfix's XCLIENT_README and XFORWARD_README; values are xtext
 *          (RFC 3461 4)
 * Memory   values are copies in the arena given
 * Waits    no
 * Errors   false: malformed, `x` has nothing but `problem` then
 */
#ifndef SMTP_XCLIENT_H
#define SMTP_XCLIENT_H

#include "base/arena.h"

enum smtp_xclient_attribute {
	XCLIENT_NAME,
	XCLIENT_ADDR,
	XCLIENT_PORT,
	XCLIENT_PROTO,
	XCLIENT_HELO,
	XCLIENT_LOGIN,
	XCLIENT_DESTADDR,
	XCLIENT_DESTPORT,
	XCLIENT_REVERSE_NAME,
	XFORWARD_IDENT,  /* of XFORWARD only: queue ID there */
	XFORWARD_SOURCE, /* LOCAL or REMOTE */
	XCLIENT_ATTRIBUTES,
};

enum {
	XCLIENT_VALUE_MOST = 255, /* octets, decoded */
};

struct smtp_xclient {
	unsigned given;     /* a bit for each attribute that stood there */
	unsigned temporary; /* [TEMPUNAVAIL]: not known now, may be later */
	/* STR_NONE: not given, or known not to be known. Addresses are in
	 * their canonical form, without "IPv6:". */
	struct str values[XCLIENT_ATTRIBUTES];
	struct str problem; /* what to answer: "Bad ADDR syntax: x" */
};

/* All attributes of a command; at least one. */
must_check bool smtp_xclient_parse(struct arena *arena, struct str arguments,
	struct smtp_xclient *x);

must_check bool smtp_xforward_parse(struct arena *arena, struct str arguments,
	struct smtp_xclient *x);
/* What `later` says about the same client is added; its values must stay. */
void smtp_xclient_add(struct smtp_xclient *x,
	const struct smtp_xclient *later);

/* "NAME ADDR PORT ...", as EHLO and LHLO announce it. */
extern const char smtp_xclient_names[];

#endif
