/*
 * commands/sendmail_input - a message from standard input, line by line.
 *
 * Memory   the text of a line is borrowed until the next
 * Errors   end of the process with EX_TEMPFAIL when reading fails
 */
#ifndef COMMANDS_SENDMAIL_INPUT_H
#define COMMANDS_SENDMAIL_INPUT_H

#include "base/buf.h"

enum line_ends {
	LINE_ENDS_ALWAYS, /* CRLF, CRCRLF.. become LF on every line */
	LINE_ENDS_STRICT, /* only if the first line has CRLF */
	LINE_ENDS_NEVER,
};

struct input {
	int fd;
	enum line_ends ends;
	bool dot_ends; /* a line "." is the end */
	/* private */
	char block[65536];
	size_t at, len;
	struct buf line;
	bool first, strip, in_text, over;
};

void input_open(struct input *input, int fd, enum line_ends ends,
	bool dot_ends);
/*
 * The next piece: a line with its LF, or a part of a very long one (no LF at
 * its end). False: the end. *starts: it begins a line. A last line without LF
 * gets one.
 */
bool input_next(struct input *input, struct str *piece, bool *starts);
/* Read no more. */
void input_end(struct input *input);

#endif
