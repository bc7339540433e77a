/*
 * smtp/param - parameters of MAIL and RCPT: "SIZE=1024 BODY=8BITMIME".
 *
 * Source   RFC 5321 4.1.2 (esmtp-param), RFC 6531 3.3 (UTF-8 in values)
 * Memory   slices of the line that was given, but for what takes an arena
 * Waits    no
 * Errors   false: no parameter at the front of `in`, which then has not moved
 */
#ifndef SMTP_PARAM_H
#define SMTP_PARAM_H

#include "base/arena.h"

struct smtp_param {
	struct str keyword; /* as sent; compare without case */
	struct str value;   /* .p is NULL when there was no "=" */
};

/* Take one parameter, and the spaces after it, from the front of `in`. */
must_check bool smtp_param_take(struct str *in, struct smtp_param *param);

/* RFC 3461 4.1: NEVER, or a list of SUCCESS, FAILURE, DELAY; the bits of
 * queue/submission.h's dsn_notify. False: malformed. */
must_check bool smtp_notify_parse(struct str value, unsigned *notify);
/* RFC 3461 4.3: FULL or HDRS; 1 or 2, as DSN_RET_* of queue/submission.h.
 * False: malformed. */
must_check bool smtp_ret_parse(struct str value, unsigned *ret);
/* RFC 3461 4.4: xtext of at most 100 octets, printable; decoded in the arena.
 * False: malformed. */
must_check bool smtp_envid_parse(struct arena *arena, struct str value,
	struct str *envid);
/* RFC 3461 4.2: "rfc822;" xtext, or "utf-8;" (RFC 6533 3). */
must_check bool smtp_orcpt_parse(struct str value);

#endif
