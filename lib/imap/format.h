/*
 * imap/format - strings, flags and names in responses.
 *
 * Source   RFC 3501 4.3, 9
 * Waits    no
 */
#ifndef IMAP_FORMAT_H
#define IMAP_FORMAT_H

#include "base/buf.h"

/* A quoted string if it can be one, else a literal. NUL octets are left out. */
void imap_string_format(struct buf *out, struct str s);
/* NONE: NIL. */
void imap_nstring_format(struct buf *out, struct str s);
/* As an atom if it can be one, else as a string. */
void imap_astring_format(struct buf *out, struct str s);

/* "* OK [INPROGRESS ("tag" 454 1000)] ...", RFC 9585 4, which lets no tag with
 * a "]" in; done is less than count. */
void imap_progress_format(struct buf *out, struct str tag, size_t done,
	size_t count);

#endif
