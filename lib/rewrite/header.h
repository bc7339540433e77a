/*
 * rewrite/header - the addresses in header fields, rewritten in their place.
 *
 * Source   RFC 5322 3.6 (the fields), 3.4 (address lists)
 * Memory   the arena given
 * Waits    if the rule does
 */
#ifndef REWRITE_HEADER_H
#define REWRITE_HEADER_H

#include "rewrite/rewrite.h"

/* What the addresses of a field are: HEADER_SENDER (who wrote it) or
 * HEADER_RECIPIENT (who gets it); 0: there are none in it. */
unsigned header_where(struct str name);

/* As much of an address list as has that many tokens at most (words, quoted
 * strings, comments, literals, specials: RFC 5322 3.2, 3.4), up to the last
 * whole element of them; the same slice if that is all. */
struct str header_within(struct str body, size_t tokens);

/* One address, in internal form; changed or not. Not 2xx: the walk ends. */
typedef struct status header_rule(void *context, struct arena *arena,
	enum rewrite_where where, struct str *address);

/*
 * The rule for each address of a field: *changed is the new body (without the
 * name), or STR_NONE when nothing changes. All but the addresses stays as it
 * is: names, comments, folding.
 */
must_check struct status header_rewrite(struct arena *arena,
	enum rewrite_where where, struct str body, header_rule *rule,
	void *context, struct str *changed);

#endif
