/*
 * mail/header - the fields of a message header, one at a time, with folding.
 *
 * Source   RFC 5322 2.2, 4.5 (blanks before the colon), RFC 6532 (UTF-8)
 * Memory   slices of the message; mail_header_unfold copies into an arena
 * Waits    no
 * Errors   false: what is in front is no header field
 *
 * Lines end in LF or CRLF. The header ends at an empty line, at the first
 * line that is neither a field nor the continuation of one, or at the end.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/buf.h"

struct mail_header {
	struct str raw;  /* the whole field, with the ends of all its lines */
	struct str name; /* as sent; compare without case */
	struct str body; /* after the colon; folded lines keep their ends; no
			    blank at either end, no final line end */
};

/* Take one field from the front of `in`. */
must_check bool mail_header_take(struct str *in, struct mail_header *header);
/*
 * Take the empty line that ends the header: true if it was there. What then
 * remains in `in` is the body.
 */
bool mail_header_take_end(struct str *in);
/* Length of the header of `message` with the empty line; is_complete (may be
 * NULL): that line was there. */
size_t mail_header_length(struct str message, bool *is_complete);
/* The name, without case. */
bool mail_header_is(const struct mail_header *header, const char *name);
/* The first field of that name. False: there is none. */
must_check bool mail_header_find(struct str message, const char *name,
	struct mail_header *header);
/* Without the line ends of folding (RFC 5322 2.2.3); blanks stay. The same
 * slice if nothing is folded. */
struct str mail_header_unfold(struct arena *arena, struct str body);
/* True if `c` may stand in a field name (RFC 5322 3.6.8). */
bool mail_header_is_name_char(unsigned char c);

#endif
