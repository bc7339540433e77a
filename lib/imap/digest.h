/*
 * imap/digest - what SORT and THREAD need of a message's header, small.
 *
 * Source   RFC 5256, RFC 5957 (DISPLAYFROM, DISPLAYTO)
 * Memory   the arena given; a digest that was parsed has slices of the row
 * Waits    no
 * Errors   false: not a row
 */
#ifndef IMAP_DIGEST_H
#define IMAP_DIGEST_H

#include "base/buf.h"

enum {
	IMAP_REFERENCES_MOST = 500, /* of one message; the last ones */
};

#define IMAP_NOT_SENT INT64_MIN

enum imap_digest_text {
	IMAP_DIGEST_SUBJECT,      /* base subject */
	IMAP_DIGEST_FROM,         /* local parts of the first addresses */
	IMAP_DIGEST_TO,
	IMAP_DIGEST_CC,
	IMAP_DIGEST_DISPLAY_FROM, /* display names, or addresses */
	IMAP_DIGEST_DISPLAY_TO,
	IMAP_DIGEST_ID,           /* Message-ID without <> */
	IMAP_DIGEST_REFERENCES,   /* ids, each ended by LF, oldest first */
	IMAP_DIGEST_TEXTS,
};

struct imap_digest {
	int64_t sent_s; /* UTC; IMAP_NOT_SENT: no valid Date */
	bool is_reply;  /* of the subject */
	struct str texts[IMAP_DIGEST_TEXTS]; /* all but the ids casemapped */
};

void imap_digest_make(struct arena *arena, struct str header,
	struct imap_digest *digest);
void imap_digest_format(struct buf *out, const struct imap_digest *digest);
must_check bool imap_digest_parse(struct str row, struct imap_digest *digest);

#endif
