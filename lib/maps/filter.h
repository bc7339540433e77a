/*
 * maps/filter - text inside of LDAP filters and names; LDAP URLs.
 *
 * Source   RFC 4515 3 (filters), RFC 4514 2.4 (names), RFC 4516 2 (URLs)
 * Memory   appended to `out`, or in the arena
 * Waits    no
 */
#ifndef MAPS_FILTER_H
#define MAPS_FILTER_H

#include "base/buf.h"

/* \XX for what means something in a filter: * ( ) \ NUL. */
void filter_quote(struct buf *out, struct str text);
/* \XX for what means something in a distinguished name. */
void filter_quote_name(struct buf *out, struct str text);

struct filter_url {
	struct str base, scope, filter;
};

/* "ldap:///base?attributes?scope?filter"; host and attributes are not used.
 * False: not a URL. */
must_check bool filter_url_parse(struct arena *arena, struct str text,
	struct filter_url *url);

#endif
