/*
 * io/stream - a buffered connection: lines with a limit, blocks, replies.
 *
 * A stream owns a connected, non-blocking stream socket (or pipe end) and two
 * buffers. Output is collected and sent when the buffer is full, on io_flush,
 * and always before a read has to wait: so the replies to a pipelined group
 * leave in one packet (RFC 2920 3.2). A layer (lib/tls) may stand between the
 * buffers and the socket; nothing else changes then.
 *
 * Memory   in the arena given; slices that reads return are borrowed until
 *          the next read of that stream
 * Waits    io_line, io_peek, io_read, io_write, io_lend, io_take_back, io_fmt,
 *          io_flush(_last), io_shutdown
 * Errors   false with errno: ETIMEDOUT, ECANCELED, ECONNRESET and the like, 0
 *          for the orderly end of input, EMSGSIZE for a line over the limit
 *          (what was too long has been skipped up to and with its LF), ENOMEM
 *          when the arena is over its ceiling. A read that ended in ETIMEDOUT
 *          or ECANCELED leaves the stream as it was: it may be repeated, and
 *          a last reply can be sent (after a cancellation: io_uncancel first).
 *          At the end of input output still works. After a write timeout and
 *          any other error the stream stays failed (io_failure).
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/buf.h"
#include "base/span.h"

#include <stdarg.h>

struct stream;

enum {
	STREAM_LINE_MOST = 2048, /* default limit of a line, without its end */
	STREAM_LINE_END = 32,
};

/* Owns `fd` from now on (made non-blocking); closed with the arena. */
struct stream *stream_open(struct arena *arena, int fd);
/* Of io_accept: it does not block already. */
struct stream *stream_open_accepted(struct arena *arena, int fd);
/* Before the first read: the other end waits for what we say first, so the
 * first read waits for it, too, and saves a call that would find nothing. */
void stream_wait_first(struct stream *stream);
/* Reads from one, writes to another descriptor: stdin and stdout. */
struct stream *stream_open_pair(struct arena *arena, int in, int out);
/* Closes at once, without flushing; the arena's end does the same. */
void stream_close(struct stream *stream);
int stream_fd(const struct stream *stream);
void stream_line_limit(struct stream *stream, size_t octets);
/* Timeout of every flush that happens inside another call (300 s). */
void stream_write_timeout(struct stream *stream, struct span timeout);
/*
 * A moment by which all further operations fail with ETIMEDOUT, whatever
 * their own timeout (smtpd_per_request_deadline). MOMENT_NEVER: none.
 */
void stream_deadline(struct stream *stream, struct moment deadline);

/*
 * The next line without its LF or CRLF. `timeout` is for the whole line.
 * A bare CR is content. stream_bare_lf tells how the line ended.
 */
must_check bool io_line(struct stream *stream, struct str *line,
	struct span timeout);
/* The last octets, up to 32, of the last line that was over the limit, without
 * its LF or CRLF: they may announce what follows. */
struct str stream_line_end(const struct stream *stream);
/* True if the last line ended in LF without CR. */
bool stream_bare_lf(const struct stream *stream);
/* What is buffered, at least one octet; waits if there is none. */
must_check bool io_peek(struct stream *stream, struct str *octets,
	struct span timeout);
/* Take `len` octets of what io_peek showed. */
void stream_consume(struct stream *stream, size_t len);
/* Exactly len octets (1 <= len <= 64 KiB); borrowed. */
must_check bool io_read(struct stream *stream, size_t len, struct str *octets,
	struct span timeout);
/* True if input is buffered or can be read from the socket at once. What the
 * last read returned stays valid. */
bool io_has_input(struct stream *stream);
/* What is buffered now, maybe nothing, without any system call: after the end
 * of input, what is left of a last line without line end. */
struct str stream_buffered(const struct stream *stream);
/* Octets that another process read before it passed the connection on: they
 * come before all that is read from the socket. Before the first read only. */
void stream_give_input(struct stream *stream, struct str octets);
/* Throw away plaintext input that is buffered (RFC 3207 4.2); its length. */
size_t stream_discard_input(struct stream *stream);

bool io_write(struct stream *stream, struct str octets);
/* The same for octets that stay as they are until io_take_back or io_flush:
 * mostly they are sent without a copy. */
bool io_lend(struct stream *stream, struct str octets);
/* Send what was lent, unless that was done already. Afterwards, also where it
 * could not be sent, it is its owner's again. */
bool io_take_back(struct stream *stream);
bool io_text(struct stream *stream, const char *text);
bool io_fmt(struct stream *stream, const char *format, ...) printf_like(2, 3);
bool io_vfmt(struct stream *stream, const char *format, va_list args)
	printf_like(2, 0);
bool io_flush(struct stream *stream, struct span timeout);
/* Flush what is the last: the stream is closed at once, and the octets leave
 * with the end of the connection in one packet. */
bool io_flush_last(struct stream *stream, struct span timeout);
/* Flush and end the output direction (TLS: close_notify), in one packet. */
bool io_shutdown(struct stream *stream, struct span timeout);

/* Output collected and not yet sent, in octets. */
size_t stream_unsent(const struct stream *stream);
/* errno of the operation after which the stream failed; 0: works or EOF. */
int io_failure(const struct stream *stream);
/* Octets received and sent on the socket so far. */
uint64_t stream_octets_in(const struct stream *stream);
uint64_t stream_octets_out(const struct stream *stream);

/*
 * What a layer does. decode: turn wire octets (all are taken) into plain
 * octets appended to `plain`; octets to be sent in consequence are appended
 * to `wire`. encode: append the wire form of plain octets. finish: append the
 * closing octets. false with errno on a protocol failure.
 */
struct stream_layer {
	bool (*decode)(void *state, struct str in, struct buf *plain,
		struct buf *wire);
	bool (*encode)(void *state, struct str plain, struct buf *wire);
	bool (*finish)(void *state, struct buf *wire);
};

/* From now on everything goes through the layer; input must be empty. */
void stream_set_layer(struct stream *stream, const struct stream_layer *layer,
	void *state);
/* Wire octets that the handshake had read too much, at once after the layer
 * was set. False as a read. */
must_check bool stream_layer_input(struct stream *stream, struct str wire);
/* The raw exchange that a handshake needs, past the layer and buffers. */
must_check bool stream_raw_write(struct stream *stream, struct str wire,
	struct span timeout);
/* At least one octet of wire input, borrowed; output leaves first. */
must_check bool stream_raw_read(struct stream *stream, struct str *wire,
	struct span timeout);

/*
 * What stands before a dialogue (the header of the PROXY protocol), before any
 * other read: exactly `len` octets of a socket, or all up to and with the
 * first LF (EMSGSIZE: that is not within `most`), and not one more: what
 * follows may be a handshake. Borrowed until the next such read.
 */
must_check bool stream_raw_exactly(struct stream *stream, size_t len,
	struct span timeout, struct str *octets);
must_check bool stream_raw_line(struct stream *stream, size_t most,
	struct span timeout, struct str *octets);

#endif
