/*
 * imap/match - does a message contain a text? Decoded and without case.
 *
 * Source   RFC 3501 6.4.4 ("case-insensitive substring"), on the text that a
 *          reader sees: encoded words, transfer encodings and charsets are
 *          resolved first
 * Memory   the arena given, much of it; reset it between messages
 * Waits    no
 *
 * Neither case nor accents count (imap/fold.h).
 */
#ifndef IMAP_MATCH_H
#define IMAP_MATCH_H

#include "base/buf.h"
#include "mail/mime.h"

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

enum imap_text_place {
	IMAP_TEXT_HEADER, /* fields of the message's own header, "Name: value" */
	IMAP_TEXT_BODY,   /* text parts, headers of attached messages */
};

/* False: enough. */
typedef bool imap_text_each_fn(void *context, enum imap_text_place place,
	struct str utf8);

/* All text that SEARCH TEXT looks into, piece by piece; a needle is found in
 * one piece or not at all. */
void imap_text_each(struct arena *arena, struct str message,
	const struct mime_part *root, imap_text_each_fn *each, void *context);

#endif
