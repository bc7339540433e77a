/*
 * maps/change - changes to a table, as postmap(1) and postalias(1) hand them
 * to proxywrite(8) through private/proxywrite.
 *
 * A request is a row of netstrings: "type:name", flags ("r" a later entry
 * replaces an earlier one, "n" no NUL behind keys and values), then "put", key
 * and value, or "delete" and key, for each change, and an empty one at the
 * end. The answer is a line: "OK" and, behind a blank, an octet of enum
 * change_result for each change, or "FAILED" and why: then all is as it was.
 *
 * Memory   slices of the request
 * Waits    no
 */
#ifndef MAPS_CHANGE_H
#define MAPS_CHANGE_H

#include "base/buf.h"
#include "maps/build.h"

enum { CHANGE_REQUEST_MOST = 128 << 20 }; /* octets of a whole request */

enum change_result {
	CHANGE_DONE = '.',
	CHANGE_DUPLICATE = '=', /* was there; replaced if BUILD_REPLACE */
	CHANGE_ABSENT = '-',    /* nothing to delete */
};

struct change {
	bool is_delete;
	struct str key, value; /* no value if is_delete */
};

struct change_request {
	struct str table; /* "type:name" */
	unsigned flags;   /* BUILD_REPLACE, BUILD_NO_NUL */
	struct str changes; /* for change_take */
};

/* flags: BUILD_REPLACE and BUILD_NO_NUL count. */
void change_begin(struct buf *out, struct str table, unsigned flags);
void change_put(struct buf *out, struct str key, struct str value);
void change_delete(struct buf *out, struct str key);
void change_end(struct buf *out);

/* False: not a whole request, up to its end. */
must_check bool change_parse(struct str in, struct change_request *request);
/* False: that was the last one. */
must_check bool change_take(struct str *changes, struct change *change);

#endif
