/*
 * maps/template - queries and result formats with a key's parts: "%s %u %d".
 *
 *	%s  the whole key (or result); %u  what stands before its last '@', or
 *	all of it; %d  its domain; %1 ... %9  the parts of its domain from the
 *	right; %%  a percent sign. %S %U %D are the key's where the others are
 *	a result's.
 *
 * A part that is not there leaves out the whole lookup, or the result.
 *
 * Source   the table manuals of Postfix (ldap_table(5), mysql_table(5), ...)
 * Memory   appended to `out`; the quoting function may use the arena
 * Waits    no
 */
#ifndef MAPS_TEMPLATE_H
#define MAPS_TEMPLATE_H

#include "base/buf.h"

/* How what comes from outside is made safe in the query's language; false:
 * it cannot. NULL: as it is. */
struct template_quoting {
	bool (*quote)(void *context, struct str text, struct buf *out);
	void *context;
};

/* False: something that it names is not there, or cannot be quoted. `key` may
 * be NONE (a query: `value` is the key). */
must_check bool template_format(struct str template, struct str value,
	struct str key, const struct template_quoting *quoting,
	struct buf *out);
/* NULL, or what is wrong with it. */
const char *template_fault(struct str template);

#endif
