/*
 * imap/returns - RETURN (MIN MAX ALL COUNT SAVE PARTIAL 1:50) of SEARCH and
 * SORT, and windows into a result.
 *
 * Source   RFC 4731 3.1, RFC 5182 2, RFC 5267 3, RFC 9394 3
 * Memory   none
 * Waits    no
 * Errors   false: malformed
 */
#ifndef IMAP_RETURNS_H
#define IMAP_RETURNS_H

#include "base/buf.h"

enum {
	IMAP_RETURN_MIN = 1,
	IMAP_RETURN_MAX = 2,
	IMAP_RETURN_ALL = 4,
	IMAP_RETURN_COUNT = 8,
	IMAP_RETURN_SAVE = 16,
	IMAP_RETURN_PARTIAL = 32,
	IMAP_RETURN_RELEVANCY = 64, /* RFC 6203 4 */
};

/* 1:50, or -1:-50 from the end. */
struct imap_partial {
	uint32_t from, to; /* as sent, without the sign */
	bool from_end;
};

struct imap_returns {
	bool is_given;
	unsigned bits; /* IMAP_RETURN_*; ALL for an empty list */
	struct imap_partial partial;
};

/* "RETURN (...) " with the space behind it, if it is there. */
must_check bool imap_returns_take(struct str *in, struct imap_returns *returns);
must_check bool imap_partial_take(struct str *in, struct imap_partial *partial);
void imap_partial_format(struct buf *out, const struct imap_partial *partial);
/* Positions *from (counted from 0) up to and without *to of `count` results;
 * equal if there are none. */
void imap_partial_window(const struct imap_partial *partial, size_t count,
	size_t *from, size_t *to);

#endif
