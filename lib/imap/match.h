/*
 * imap/match - does a message contain a text? Decoded and without case.
 *
 * Source   RFC 3501 6.4.4 ("case-insensitive substring"), on the text that a
 *          reader sees: encoded words, transfer encodings and charsets are
 *          resolved first
 * Memory   the arena given, much of it; reset it between messages
 * Waits    no
 *
 * Case is folded for ASCII, Latin, Greek and Cyrillic letters.
 */
#ifndef IMAP_MATCH_H
#define IMAP_MATCH_H

#include "base/buf.h"
#include "mail/mime.h"

/* UTF-8 in lower case; octets that are no UTF-8 stay. */
void imap_fold_format(struct buf *out, struct str utf8);
/* What a client asked for, from its charset to folded UTF-8. NONE: a charset
 * that we do not know, or octets that are not of it. */
struct str imap_needle(struct arena *arena, struct str charset,
	struct str text);

/* A field of that name whose value has the needle (empty: any). */
must_check bool imap_match_header(struct arena *arena, struct str header,
	struct str field, struct str needle);
/* In the text parts; with_headers: also in any header (SEARCH TEXT). */
must_check bool imap_match_body(struct arena *arena, struct str message,
	const struct mime_part *root, struct str needle, bool with_headers);

#endif
