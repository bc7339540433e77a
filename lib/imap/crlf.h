/*
 * imap/crlf - a stored message, whose lines end with LF, as it goes over the
 * wire: each LF that no CR stands before becomes CR LF (RFC 9051 2.2).
 *
 * Memory   slices and buffers of the caller
 * Waits    no
 */
#ifndef IMAP_CRLF_H
#define IMAP_CRLF_H

#include "base/str.h"

/* How long it will be. */
uint64_t imap_crlf_octets(struct str text);

/*
 * Convert the front of `text`, which moves on: at most `room` octets go to
 * `out`, how many is returned; 0 at the end of the text. room: 4 and more.
 * Begin with the whole text: what stood before is not looked at.
 */
size_t imap_crlf_take(struct str *text, char *out, size_t room);

#endif
