/*
 * mail/word - encoded words of RFC 2047: =?utf-8?q?caf=C3=A9?=
 *
 * Source   RFC 2047, RFC 2231 5 (language suffix)
 * Memory   results in the arena given; the same slice if nothing is encoded
 * Waits    no
 * Errors   what cannot be decoded (syntax, unknown charset) stays as it is
 */
#ifndef MAIL_WORD_H
#define MAIL_WORD_H

#include "base/buf.h"

enum {
	MAIL_WORD_MOST = 75, /* octets of one encoded word, RFC 2047 2 */
};

/* Appends octets of a charset as UTF-8; false: unknown, nothing appended. */
typedef bool mail_charset_fn(struct buf *out, struct str charset,
	struct str octets);
/* All encoded words of `text` as UTF-8, blanks between two of them dropped, of
 * the charsets that `format` knows. */
struct str mail_words_decode_by(struct arena *arena, struct str text,
	mail_charset_fn *format);
/* The same with the charsets of mail_charset_format. */
struct str mail_words_decode(struct arena *arena, struct str text);
/* Text (UTF-8) as encoded words in `charset`, each at most 75 octets, joined
 * with a space; `out` gets the text itself if it is printable ASCII. With
 * charset other than utf-8 the octets are taken to be in that charset. */
void mail_words_format(struct buf *out, struct str text, const char *charset);
/*
 * Append octets of a charset as UTF-8: us-ascii, utf-8, iso-8859-1, -15,
 * windows-1252 are built in. False: unknown (nothing was appended).
 */
bool mail_charset_format(struct buf *out, struct str charset, struct str octets);

#endif
