/*
 * queue/id - the name of a message: a serial that is never used again, shown
 * in one of Postfix's two forms.
 *
 * short  five upper case hex digits (microseconds), then the serial in upper
 *        case hex: 4A5F21002B
 * long   base-52 seconds (6 digits or more) and microseconds (4), `z`, the
 *        serial in base 51: 4hLmQ21Sb3z8Wp (enable_long_queue_ids)
 *
 * The serial alone makes an ID unique (queue/serial.h); the time in it is for
 * people, so a clock that jumps changes nothing.
 *
 * Memory   the text goes into the buffer given
 * Waits    no
 */
#ifndef QUEUE_ID_H
#define QUEUE_ID_H

#include "base/buf.h"

enum {
	QUEUE_ID_MOST = 40, /* octets of the longest text */
};

/* The text of a serial, made at this wall clock time. */
void queue_id_format(struct buf *out, uint64_t serial, int64_t wall_us,
	bool is_long);
/* The same as a slice in an arena. */
struct str queue_id_text(struct arena *arena, uint64_t serial, int64_t wall_us,
	bool is_long);
/* All of `text` is one ID of either form; *serial untouched if not. */
must_check bool queue_id_parse(struct str text, uint64_t *serial);
/* True: the long form. Only for text that queue_id_parse takes. */
bool queue_id_is_long(struct str text);

#endif
