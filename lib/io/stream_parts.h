/*
 * io/stream_parts - what the files of a stream tell each other: stream.c opens
 * and closes it, output.c and input.c are its two directions, line.c reads
 * lines, raw.c passes layer and buffers by.
 */
#ifndef IO_STREAM_PARTS_H
#define IO_STREAM_PARTS_H

#include "io/fiber.h"
#include "io/stream.h"

#include <errno.h>

enum {
	INPUT_FIRST = 16 * 1024, /* size of a read; doubles while they fill it */
	INPUT_MOST = 64 * 1024,
};

/* Octets of somebody else that follow the first `at` of the output buffer. */
struct lent {
	size_t at;
	struct str octets;
};

struct stream {
	struct arena *arena;
	int in, out;
	int in_flags, out_flags; /* to be restored; -1: not */
	struct buf input;        /* plain octets; heap, none when empty */
	size_t at;               /* start of what is not consumed yet */
	size_t read_size;
	struct buf output; /* plain octets, not sent yet */
	struct lent *lent; /* heap, none when none is lent */
	size_t lent_count, lent_octets;
	struct buf wire;   /* encoded octets, not sent yet */
	size_t wire_sent;
	char *retired;  /* an input buffer in which a borrowed line may stand */
	struct buf raw; /* of raw.c */
	const struct stream_layer *layer;
	void *layer_state;
	size_t line_limit;
	struct span write_timeout;
	struct moment deadline;
	uint64_t octets_in, octets_out;
	int failure;
	bool ended;    /* input is at its end */
	bool drained;  /* the last read got all that the socket had */
	bool bare_lf;  /* how the last line ended */
	bool skipping; /* inside a line over the limit */
	size_t end_len;
	char end[STREAM_LINE_END + 1]; /* of the last line over the limit, with
					  its CR */
	bool is_pipe;  /* not a socket: write() instead of send() */
	bool is_last;  /* its end follows what is sent */
};

/* Moments of one operation: the clock is read when it first has to wait. */
struct wait {
	struct span timeout;
	struct moment until;
	bool has_begun;
};

/* When it ends: at the stream's deadline at the latest. */
struct moment stream_wait_end(struct stream *stream, struct wait *wait);

/* Always false, with the errno given; the stream stays failed. */
bool stream_fail(struct stream *stream, int error);

/* False, with errno: it has failed, or its arena is over. */
must_check bool stream_is_usable(struct stream *stream);

/* Of two descriptors the one that is written to. */
void stream_close_output(struct stream *stream);

/* ---- output.c ---- */

/* What has been collected, then `more`, on behalf of another operation: within
 * the stream's own time for writing. */
must_check bool stream_flush_now(struct stream *stream, struct str more);

/* What has been collected, then `more`, as they are: past any layer. */
must_check bool stream_send_plain(struct stream *stream, struct str more,
	struct wait *wait);

/* What was lent and not sent is its owner's. */
void stream_forget_lent(struct stream *stream);

/* ---- input.c ---- */

/* Octets in the buffer that nobody has taken. */
static inline size_t stream_unread(const struct stream *stream)
{
	return stream->input.len - stream->at;
}

/* At least one octet more in the buffer; output leaves before we wait. */
must_check bool stream_fill(struct stream *stream, struct wait *wait);

/* Wire octets through the layer into the buffer. 1: octets came, 0: none that
 * are data, -1: end or failure (errno). */
int stream_decode(struct stream *stream, struct str wire);

/* One read(2); 1: octets came, 0: would wait, -1: end or failure (errno). */
int stream_read_octets(struct stream *stream, char *into, size_t room,
	size_t *len);

/* Free the buffers and what is in them. */
void stream_input_close(struct stream *stream);

#endif
