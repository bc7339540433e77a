/*
 * base/json - text as a JSON string, RFC 8259 7. Octets that are not UTF-8
 * become "?".
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* With its quotes. */
void json_format(struct buf *out, struct str in);
/* What stands between the quotes. */
void json_escape_format(struct buf *out, struct str in);

/* How many octets at the front are printable ASCII without a quote and a
 * backslash, which is nearly all there is. Not always as many as there are. */
size_t json_usual_length(struct str in);

#endif
