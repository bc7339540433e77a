/*
 * imap/envelope - ENVELOPE, BODY and BODYSTRUCTURE of a message as they
 * stand in a FETCH response.
 *
 * Source   RFC 3501 7.4.2, 9
 * Memory   scratch in the arena; the text is appended to `out`
 * Waits    no
 * Errors   none: what is malformed is NIL, as the RFC says
 */
#ifndef IMAP_ENVELOPE_H
#define IMAP_ENVELOPE_H

#include "base/buf.h"
#include "mail/mime.h"

/* `header`: of the message, with its empty line or without. */
void imap_envelope_format(struct arena *arena, struct buf *out,
	struct str header);
/* extended: BODYSTRUCTURE, else BODY. Sizes are those of the CRLF form. */
void imap_structure_format(struct arena *arena, struct buf *out,
	struct str message, const struct mime_part *root, bool extended);

#endif
