/*
 * imap/nfc - Normalization Form C, as names of mailboxes have it.
 *
 * Source   RFC 9051 5.1, RFC 5198 3 (Net-Unicode); Unicode by ICU
 * Memory   the result in the arena; the same slice if nothing has to change
 * Waits    no
 */
#ifndef IMAP_NFC_H
#define IMAP_NFC_H

#include "base/buf.h"

enum {
	IMAP_NFC_MOST = 1000, /* octets; what is longer stays as it is */
};

/* Of well-formed UTF-8. */
struct str imap_nfc(struct arena *arena, struct str utf8);

#endif
