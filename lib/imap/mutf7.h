/*
 * imap/mutf7 - modified UTF-7 of mailbox names.
 *
 * Source   RFC 3501 5.1.3
 * Memory   results in the arena; the same slice if nothing has to change
 * Waits    no
 * Errors   NONE: malformed
 */
#ifndef IMAP_MUTF7_H
#define IMAP_MUTF7_H

#include "base/buf.h"

/* UTF-8 to modified UTF-7. */
struct str imap_mutf7_of_utf8(struct arena *arena, struct str utf8);
/* Strict: only the form that the other direction gives is taken. */
struct str imap_mutf7_to_utf8(struct arena *arena, struct str mutf7);

#endif
