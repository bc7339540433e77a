/*
 * imap/preview - the first words of a message's text.
 *
 * Source   RFC 8970: at most 200 characters of the text that a reader sees
 * Memory   the arena given
 * Waits    no
 */
#ifndef IMAP_PREVIEW_H
#define IMAP_PREVIEW_H

#include "mail/mime.h"

enum {
	IMAP_PREVIEW_CHARS = 200,
};

/* UTF-8, blanks and line ends as single spaces; empty: there is no text. */
struct str imap_preview(struct arena *arena, struct str message,
	const struct mime_part *root);

#endif
