/*
 * smtp/path - the paths of MAIL FROM:<...> and RCPT TO:<...>.
 *
 * Source   RFC 5321 4.1.2 (source routes are dropped, appendix C), RFC 6531
 *          3.3, RFC 5321 4.1.1.3 (<Postmaster>)
 * Memory   the address is made in the arena, in internal form
 * Waits    no
 * Errors   false: bad syntax; `in` has not moved
 */
#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include "base/arena.h"

enum {
	SMTP_ADDRESS_MOST = 1024, /* octets; RFC 5321 4.5.3.1.3 wants 256 */
};

/*
 * Take the path and the spaces after it from the front of `in`. Lax (Postfix
 * without strict_rfc821_envelopes): <> may be missing, blanks and comments may
 * stand inside, a display name before the <>. `*address` is empty for <>.
 * `has_route`: there was a source route.
 */
must_check bool smtp_path_take(struct arena *arena, struct str *in,
	bool strict, struct str *address, bool *has_route);

/* True if a domain part has the form of one: a host name (UTF-8 labels
 * allowed) or an address literal "[192.0.2.1]", "[IPv6:2001:db8::1]". */
bool smtp_is_domain(struct str domain);
/* True for an address literal in []: well-formed IPv4 or "IPv6:" text. */
bool smtp_is_literal(struct str domain);

#endif
