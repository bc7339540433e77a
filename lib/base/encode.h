/*
 * base/encode - base64, hexadecimal, xtext and percent forms.
 *
 * `format` appends to a buf; `parse` gives a copy in the arena, or STR_NONE
 * when the input is malformed.
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/buf.h"

/* RFC 4648 4, with padding, no line breaks. */
void base64_format(struct buf *out, struct str in);
/* Strict: padding required, nothing after it. */
struct str base64_parse(struct arena *arena, struct str in);

/* Lower case. */
void hex_format(struct buf *out, struct str in);
struct str hex_parse(struct arena *arena, struct str in);

/* xtext, RFC 3461 4. */
void xtext_format(struct buf *out, struct str in);
struct str xtext_parse(struct arena *arena, struct str in);

#endif
