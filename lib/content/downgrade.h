/*
 * content/downgrade - 8bit MIME content to 7bit, for servers without 8BITMIME.
 *
 * Parts that are declared 8bit or binary become quoted-printable; multipart
 * and message parts only lose the declaration. A message without any MIME
 * header becomes quoted-printable text.
 *
 * Source   RFC 6152 3, RFC 2045 6, RFC 2046 5.1
 * Memory   in the arena given; a header over DOWNGRADE_HEADER_MOST is copied
 *          as it is
 * Waits    no
 */
#ifndef CONTENT_DOWNGRADE_H
#define CONTENT_DOWNGRADE_H

#include "base/buf.h"

enum {
	DOWNGRADE_DEPTH_MOST = 20,
	DOWNGRADE_HEADER_MOST = 256 * 1024,
	DOWNGRADE_LINE_MOST = 64 * 1024,
};

struct downgrade {
	struct arena *arena;
	struct buf line, header; /* collected so far */
	enum {
		DOWNGRADE_HEADER,
		DOWNGRADE_COPY, /* as it is */
		DOWNGRADE_QP,
	} state;
	bool is_part;            /* the header is not the message's own */
	bool in_line;            /* the line before was cut */
	struct str boundaries[DOWNGRADE_DEPTH_MOST];
	size_t depth;
};

void downgrade_init(struct downgrade *d, struct arena *arena);
/* Any piece of the message, LF line ends. */
void downgrade(struct downgrade *d, struct str piece, struct buf *out);
void downgrade_end(struct downgrade *d, struct buf *out);

#endif
