/*
 * agent/mbox_text - a message as an mbox has it, without its "From " line, in
 * blocks; and the search for it among the last messages of an mbox.
 *
 * Memory   in the arena given
 * Waits    no (files are read in place)
 * Errors   false with errno: a file cannot be read
 */
#ifndef AGENT_MBOX_TEXT_H
#define AGENT_MBOX_TEXT_H

#include "agent/deliver.h"

struct mbox_text {
	struct arena *arena;
	struct str head; /* header lines in front of the content */
	struct content_reader reader;
	struct buf out, held;
	bool at_start; /* a line begins */
	bool is_ending, is_given;
};

/* Append text to `out` as mbox wants it: ">" before lines that begin with
 * "From ". *at_start: a line begins here; true at first, kept up to date. */
void mbox_quote(struct buf *out, struct str text, bool *at_start);

void mbox_text_open(struct mbox_text *text, struct arena *arena,
	const struct content *content, struct str head);
/* The next block, borrowed until the next call; empty: the end. */
must_check bool mbox_text_next(struct mbox_text *text, struct str *block);

enum mbox_found {
	MBOX_ABSENT,
	MBOX_WHOLE, /* the message is there, octet by octet */
	MBOX_PART,  /* the file ends in the middle of it */
};

/*
 * Looks through the end of the file, as far back as a redelivery can be behind
 * its first attempt. *at: where the "From " line of what was found begins. Less
 * than `head` and the first line of the content is nobody's part. A part ends
 * with the file: nobody but an attempt that was cut off leaves one.
 */
must_check bool mbox_text_find(struct arena *arena,
	const struct content *content, struct str head, int fd, off_t size,
	enum mbox_found *found, off_t *at);

#endif
