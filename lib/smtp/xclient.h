/*
 * smtp/xclient - XCLIENT: a proxy says on whose behalf it speaks.
 *
 *	XCLIENT NAME=host.example.com ADDR=192.0.2.1 HELO=x LOGIN=[UNAVAILABLE]
 *
 * Source   Postfix's XCLIENT_README; values are xtext (RFC 3461 4)
 * Memory   values are copies in the arena given
 * Waits    no
 * Errors   false: malformed, `x` is undefined then
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
};

/* All attributes of a command; at least one. */
must_check bool smtp_xclient_parse(struct arena *arena, struct str arguments,
	struct smtp_xclient *x);

/* "NAME ADDR PORT ...", as EHLO and LHLO announce it. */
extern const char smtp_xclient_names[];

#endif
