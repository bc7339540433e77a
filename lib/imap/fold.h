/*
 * imap/fold - letters without their case and accents, for comparing.
 *
 * Source   Unicode by ICU: compatibility decomposition, full case folding, no
 *          combining marks; so "Ä", "ä", "A" and "a" are one, "ß" is "ss" and
 *          "ﬁ" "fi". A superset of i;unicode-casemap (RFC 5051), in which
 *          marks stay. Each code point is folded by itself, so that a text
 *          contains a needle if its folded octets do.
 * Memory   a table of what was looked up so far, for the life of the process
 * Waits    no
 */
#ifndef IMAP_FOLD_H
#define IMAP_FOLD_H

#include "base/buf.h"

/* UTF-8, folded; octets that are no UTF-8 stay as they are. */
void imap_fold_format(struct buf *out, struct str utf8);
/* As i;unicode-casemap has it (RFC 5051 2): titlecase, decomposed; for SORT
 * and THREAD (RFC 5255 4.2). */
void imap_casemap_format(struct buf *out, struct str utf8);

#endif
