/*
 * imap/charset - text of any charset that ICU knows, as UTF-8.
 *
 * Source   RFC 2046 4.1.2, RFC 2047
 * Memory   results in the buffer or the arena given
 * Waits    no
 * Errors   what has no meaning in the charset becomes U+FFFD or U+001A, as ICU
 *          has it
 */
#ifndef IMAP_CHARSET_H
#define IMAP_CHARSET_H

#include "base/buf.h"

must_check bool imap_charset_is_known(struct str charset);
/* Append octets of a charset. False: unknown, or octets that are not the UTF-8
 * that they are said to be; nothing was appended. */
must_check bool imap_charset_format(struct buf *out, struct str charset,
	struct str octets);
/* All encoded words as UTF-8, as mail_words_decode. */
struct str imap_words_decode(struct arena *arena, struct str text);

#endif
