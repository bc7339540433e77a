/*
 * mailbox/departed - the text of posthorn-expunged: names of files whose
 * messages were expunged, and that are still to be removed.
 *
 *	cur/NAME or new/NAME      a file, a line each
 *	= OCTETS CRC              the end of a block: octets of its lines, and
 *	                          their CRC-32C, in hexadecimal
 *	+                         the expunge of that block was committed
 *
 * The index says up to which octet blocks count. Whoever has lost it believes
 * those that are confirmed. What is damaged ends the text.
 *
 * Memory   slices of the text; the list in the arena given
 * Waits    no
 */
#ifndef MAILBOX_DEPARTED_H
#define MAILBOX_DEPARTED_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	DEPARTED_MOST = 32 * 1024 * 1024, /* octets of the text */
};

struct departed_file {
	struct str name;
	bool is_new; /* in new/, else in cur/ */
};

struct departed {
	struct departed_file *files;
	size_t count;
	size_t octets; /* up to the end of the last block that counts */
};

/* Can a line say it? */
bool departed_can_say(const char *name);
void departed_line_format(struct buf *out, const char *name, bool is_new);
/* Behind the lines of a block, which begin at octet `from` of `out`. */
void departed_end_format(struct buf *out, size_t from);
void departed_confirm_format(struct buf *out);
/* known: octets that the index says; 0: it says nothing. */
void departed_parse(struct arena *arena, struct str text, size_t known,
	struct departed *departed);

#endif
