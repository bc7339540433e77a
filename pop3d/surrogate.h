/*
 * surrogate - a header without UTF-8, for a client that has not said UTF8.
 *
 * Words that are not ASCII become encoded words; an address that is not ASCII
 * cannot, and becomes one that leads nowhere, as in RFC 6858.
 *
 * Source   RFC 6856 2.1, RFC 6858 2, RFC 2047
 * Memory   appended to the buf
 * Waits    no
 */
#ifndef POP3D_SURROGATE_H
#define POP3D_SURROGATE_H

#include "base/buf.h"

/* `header` is the octets up to the empty line; appends ASCII, with the line
 * ends that were there. */
void surrogate_format(struct buf *out, struct str header);

#endif
