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

enum {
	/* Where so much room is left behind what is written, it takes less
	 * time. */
	IMAP_CRLF_SPARE = 192,
};

/* How long it will be. */
uint64_t imap_crlf_octets(struct str text);

/* How far a text is converted. */
struct imap_crlf {
	struct str rest;
	char before; /* the octet before it */
	bool dots;   /* a line that begins with a dot gets one more: POP3,
			RFC 1939 3 */
	size_t added; /* dots so far */
};

static inline struct imap_crlf imap_crlf_of(struct str text)
{
	return (struct imap_crlf){ .rest = text, .before = '\n' };
}

/* Convert what comes next: at most `room` octets, 4 and more, go to `out`; how
 * many is returned, 0 at the end of the text. */
size_t imap_crlf_take(struct imap_crlf *crlf, char *out, size_t room);
/* The same with instructions that all processors have: for tests, where
 * imap_crlf_take has better ones. */
size_t imap_crlf_take_anywhere(struct imap_crlf *crlf, char *out,
	size_t room);

#endif
