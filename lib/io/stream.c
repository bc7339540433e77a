#include "io/stream.h"

#include "io/fiber.h"
#include "io/sanitizer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	INPUT_FIRST = 16 * 1024, /* size of a read; doubles while reads fill it */
	INPUT_MOST = 64 * 1024,
	OUTPUT_MOST = 64 * 1024, /* sent when there is more */
	LARGE_LEAST = 2 * 1024,  /* a piece with which more of them will come */
	WIRE_PIECE = 64 * 1024,  /* plain octets given to a layer at once */
};

struct stream {
	struct arena *arena;
	int in, out;
	int in_flags, out_flags; /* to be restored; -1: not */
	struct buf input;        /* plain octets; heap, none when empty */
	size_t at;               /* start of what is not consumed yet */
	size_t read_size;
	struct buf output; /* plain octets, not sent yet */
	struct buf wire;   /* encoded octets, not sent yet */
	size_t wire_sent;
	char *retired;  /* an input buffer in which a borrowed line may stand */
	struct buf raw; /* of stream_raw_read */
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

static struct span wait_left(struct stream *stream, struct wait *wait)
{
	if (!wait->has_begun) {
		wait->until = moment_after(wait->timeout);
		if (wait->until.us > stream->deadline.us)
			wait->until = stream->deadline;
		wait->has_begun = true;
	}
	return moment_left(wait->until);
}

/* An input buffer of the first size that nobody uses now. A stream has one for
 * a moment only; it is taken while the processor's cache still knows it, and
 * malloc need not join and part what is around it each time. */
static char *spare;

static char *input_new(size_t cap)
{
	char *memory = spare;

	if (cap == INPUT_FIRST && memory)
		spare = NULL;
	else
		memory = malloc(cap);
	if (!memory)
		starved("out of memory: input of %zu octets", cap);
	return memory;
}

static void input_free(struct stream *stream)
{
	if (stream->input.cap == INPUT_FIRST && !spare && !SANITIZER_IS_HERE) {
		spare = stream->input.p;
		stream->input.p = NULL;
	}
	buf_free(&stream->input);
	stream->at = 0;
}

static void close_with_arena(void *context)
{
	stream_close(context);
}

static int flags_set(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return flags;
}

static struct stream *open_stream(struct arena *arena, int in, int out)
{
	struct stream *stream = arena_new_of(arena, struct stream);

	stream->arena = arena;
	stream->in = in;
	stream->out = out;
	stream->in_flags = stream->out_flags = -1;
	stream->read_size = INPUT_FIRST;
	stream->line_limit = STREAM_LINE_MOST;
	stream->write_timeout = span_s(300);
	stream->deadline = MOMENT_NEVER;
	io_fresh(in);
	if (out != in)
		io_fresh(out);
	arena_on_free(arena, close_with_arena, stream);
	return stream;
}

struct stream *stream_open(struct arena *arena, int fd)
{
	flags_set(fd);
	return open_stream(arena, fd, fd);
}

struct stream *stream_open_accepted(struct arena *arena, int fd)
{
	return open_stream(arena, fd, fd);
}

void stream_wait_first(struct stream *stream)
{
	stream->drained = true;
}

/* Others (a shell) may share these: their flags are given back. */
struct stream *stream_open_pair(struct arena *arena, int in, int out)
{
	int in_flags = flags_set(in), out_flags = flags_set(out);
	struct stream *stream = open_stream(arena, in, out);

	stream->in_flags = in_flags;
	stream->out_flags = out_flags;
	return stream;
}

static void close_end(int fd, int flags)
{
	if (flags >= 0 && !(flags & O_NONBLOCK))
		fcntl(fd, F_SETFL, flags);
	io_close(fd);
}

static void retired_free(struct stream *stream)
{
	free(stream->retired);
	stream->retired = NULL;
}

void stream_close(struct stream *stream)
{
	int in = stream->in, out = stream->out;

	stream->in = stream->out = -1;
	if (out >= 0 && out != in)
		close_end(out, stream->out_flags);
	if (in >= 0)
		close_end(in, stream->in_flags);
	input_free(stream);
	buf_free(&stream->output);
	buf_free(&stream->wire);
	buf_free(&stream->raw);
	retired_free(stream);
	stream->wire_sent = 0;
	if (!stream->failure)
		stream->failure = EBADF;
}

int stream_fd(const struct stream *stream)
{
	return stream->in;
}

void stream_line_limit(struct stream *stream, size_t octets)
{
	stream->line_limit = octets;
}

void stream_write_timeout(struct stream *stream, struct span timeout)
{
	stream->write_timeout = timeout;
}

void stream_deadline(struct stream *stream, struct moment deadline)
{
	stream->deadline = deadline;
}

int io_failure(const struct stream *stream)
{
	return stream->failure;
}

uint64_t stream_octets_in(const struct stream *stream)
{
	return stream->octets_in;
}

uint64_t stream_octets_out(const struct stream *stream)
{
	return stream->octets_out;
}

/* Always false, with the errno given; the stream stays failed. */
static bool fail(struct stream *stream, int error)
{
	if (!stream->failure)
		stream->failure = error;
	errno = error;
	return false;
}

static bool is_usable(struct stream *stream)
{
	if (stream->failure) {
		errno = stream->failure;
		return false;
	}
	if (arena_is_over(stream->arena))
		return fail(stream, ENOMEM);
	return true;
}

/* ---- Output ---- */

static ssize_t write_pieces(struct stream *stream, struct iovec *pieces,
	size_t count)
{
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = count };
	ssize_t sent;

	if (!stream->is_pipe) {
		sent = sendmsg(stream->out, &message,
			MSG_NOSIGNAL | MSG_DONTWAIT |
				(stream->is_last ? MSG_MORE : 0));
		if (sent >= 0 || errno != ENOTSOCK)
			return sent;
		stream->is_pipe = true;
	}
	return writev(stream->out, pieces, (int)count);
}

static void advance(struct iovec *pieces, size_t count, size_t sent)
{
	for (size_t i = 0; i < count && sent > 0; i++) {
		size_t part = sent < pieces[i].iov_len ? sent :
							 pieces[i].iov_len;

		pieces[i].iov_base = (char *)pieces[i].iov_base + part;
		pieces[i].iov_len -= part;
		sent -= part;
	}
}

/* What is sent stays counted in *done, also on failure. */
static bool send_pieces(struct stream *stream, struct iovec *pieces,
	size_t count, struct wait *wait, size_t *done)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += pieces[i].iov_len;
	for (*done = 0; *done < total;) {
		ssize_t sent = write_pieces(stream, pieces, count);

		if (sent >= 0) {
			*done += (size_t)sent;
			stream->octets_out += (uint64_t)sent;
			advance(pieces, count, (size_t)sent);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail(stream, errno);
		if (io_wait_again(stream->out, POLLOUT,
			    wait_left(stream, wait)))
			continue;
		return errno == ECANCELED ? false : fail(stream, errno);
	}
	return true;
}

static struct iovec piece_of(struct str s)
{
	return (struct iovec){ .iov_base = (void *)(uintptr_t)s.p,
		.iov_len = s.len };
}

/* The buffer, then `more`, past any layer. */
static bool send_plain(struct stream *stream, struct str more,
	struct wait *wait)
{
	struct iovec pieces[2] = { piece_of(buf_str(&stream->output)),
		piece_of(more) };
	size_t buffered = stream->output.len, done;
	bool ok = send_pieces(stream, pieces, 2, wait, &done);

	if (done >= buffered)
		buf_free(&stream->output);
	else
		buf_drop(&stream->output, done);
	/* Part of `more` is gone, and the caller cannot know how much. */
	if (!ok && done > buffered)
		return fail(stream, errno);
	return ok;
}

static bool send_wire(struct stream *stream, struct wait *wait)
{
	struct iovec piece = piece_of(
		str_skip(buf_str(&stream->wire), stream->wire_sent));
	size_t done;
	bool ok = send_pieces(stream, &piece, 1, wait, &done);

	stream->wire_sent += done;
	if (stream->wire_sent == stream->wire.len) {
		buf_free(&stream->wire);
		stream->wire_sent = 0;
	}
	return ok;
}

static bool encode(struct stream *stream, struct str plain, struct wait *wait)
{
	while (plain.len > 0) {
		struct str piece = str_first(plain, WIRE_PIECE);

		if (!stream->layer->encode(stream->layer_state, piece,
			    &stream->wire))
			return fail(stream, errno ? errno : EPROTO);
		plain = str_skip(plain, piece.len);
		if (plain.len > 0 && !send_wire(stream, wait))
			return fail(stream, errno);
	}
	return true;
}

static bool flush(struct stream *stream, struct str more, struct wait *wait)
{
	struct str plain = buf_str(&stream->output);
	bool ok;

	if (!stream->layer)
		return plain.len + more.len == 0 ||
			send_plain(stream, more, wait);
	ok = encode(stream, plain, wait);
	buf_free(&stream->output);
	ok = ok && encode(stream, more, wait);
	return ok && send_wire(stream, wait);
}

bool io_flush(struct stream *stream, struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	return is_usable(stream) && flush(stream, STR(""), &wait);
}

bool io_flush_last(struct stream *stream, struct span timeout)
{
	stream->is_last = true;
	return io_flush(stream, timeout);
}

/* On behalf of another operation. */
static bool flush_now(struct stream *stream, struct str more)
{
	struct wait wait = { .timeout = stream->write_timeout };

	return flush(stream, more, &wait);
}

/* A copy costs much less than to pass the piece to the system by itself. The
 * buffer does not grow by steps where it will be filled. */
static void collect(struct stream *stream, struct str octets)
{
	struct buf *out = &stream->output;

	if (octets.len >= LARGE_LEAST && out->cap < OUTPUT_MOST)
		(void)!buf_room(out, OUTPUT_MOST - out->len);
	buf_add(out, octets);
}

/* What fills the buffer is sent with it, without a copy. */
bool io_write(struct stream *stream, struct str octets)
{
	if (!is_usable(stream))
		return false;
	if (stream->output.len + octets.len >= OUTPUT_MOST)
		return flush_now(stream, octets);
	collect(stream, octets);
	return true;
}

bool io_text(struct stream *stream, const char *text)
{
	return io_write(stream, str_from(text));
}

bool io_vfmt(struct stream *stream, const char *format, va_list args)
{
	if (!is_usable(stream))
		return false;
	buf_vfmt(&stream->output, format, args);
	if (stream->output.failed) {
		stream->output.failed = false;
		return fail(stream, EINVAL);
	}
	return stream->output.len < OUTPUT_MOST || flush_now(stream, STR(""));
}

bool io_fmt(struct stream *stream, const char *format, ...)
{
	va_list args;
	bool ok;

	va_start(args, format);
	ok = io_vfmt(stream, format, args);
	va_end(args);
	return ok;
}

size_t stream_unsent(const struct stream *stream)
{
	return stream->output.len + stream->wire.len - stream->wire_sent;
}

bool io_shutdown(struct stream *stream, struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	/* shutdown(2) sends what is held back, and the end, in one packet;
	 * also where another process has the socket, too. */
	stream->is_last = true;
	if (!is_usable(stream) || !flush(stream, STR(""), &wait))
		return false;
	if (stream->layer) {
		if (!stream->layer->finish(stream->layer_state, &stream->wire))
			return fail(stream, errno ? errno : EPROTO);
		if (!send_wire(stream, &wait))
			return false;
	}
	if (shutdown(stream->out, SHUT_WR) == 0)
		return true;
	if (errno != ENOTSOCK)
		return fail(stream, errno);
	if (stream->out != stream->in) {
		close_end(stream->out, stream->out_flags);
		stream->out = -1;
	}
	return true;
}

/* ---- Input ---- */

/* Where wire octets stay between read and decode, which does not wait. */
static char wire_octets[INPUT_MOST];

static size_t unread(const struct stream *stream)
{
	return stream->input.len - stream->at;
}

struct str stream_buffered(const struct stream *stream)
{
	return str_skip(buf_str(&stream->input), stream->at);
}

/* A heap buffer of exactly this size, with what is unread at its front. */
static void input_resize(struct stream *stream, size_t cap)
{
	size_t kept = unread(stream);
	char *memory = input_new(cap);

	if (kept > 0)
		memcpy(memory, stream->input.p + stream->at, kept);
	input_free(stream);
	stream->input.p = memory;
	stream->input.len = kept;
	stream->input.cap = cap;
}

/* Room for `least` octets more, and for a read of the size that is usual. */
static void input_room(struct stream *stream, size_t least)
{
	struct buf *input = &stream->input;
	size_t kept = unread(stream);

	if (kept == 0)
		stream->at = input->len = 0;
	if (input->p && input->cap - input->len >= least)
		return;
	if (input->p && input->cap - kept >= least && kept < input->cap / 2) {
		memmove(input->p, input->p + stream->at, kept);
		input->len = kept;
		stream->at = 0;
		return;
	}
	if (least < stream->read_size)
		least = stream->read_size;
	input_resize(stream, kept + least);
}

void stream_give_input(struct stream *stream, struct str octets)
{
	if (octets.len == 0)
		return;
	input_room(stream, octets.len);
	memcpy(stream->input.p + stream->input.len, octets.p, octets.len);
	stream->input.len += octets.len;
}

static void input_release(struct stream *stream)
{
	if (unread(stream) == 0)
		input_free(stream);
}

/* One read; 1: octets came, 0: would wait, -1: end or failure (errno). */
static int read_octets(struct stream *stream, char *into, size_t room,
	size_t *len)
{
	ssize_t got;

	do
		got = read(stream->in, into, room);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN) {
		stream->drained = true;
		return 0;
	}
	if (got < 0) {
		fail(stream, errno);
		return -1;
	}
	if (got == 0) {
		stream->ended = true;
		errno = 0;
		return -1;
	}
	stream->octets_in += (uint64_t)got;
	stream->drained = (size_t)got < room;
	*len = (size_t)got;
	return 1;
}

static int read_plain(struct stream *stream)
{
	size_t room, len;
	int result;

	input_room(stream, stream->read_size / 2);
	room = stream->input.cap - stream->input.len;
	result = read_octets(stream, stream->input.p + stream->input.len, room,
		&len);
	if (result <= 0)
		return result;
	stream->input.len += len;
	if (len == room && stream->read_size < INPUT_MOST)
		stream->read_size *= 2;
	return 1;
}

static int decode(struct stream *stream, struct str wire)
{
	size_t before = unread(stream);

	input_room(stream, wire.len);
	errno = 0;
	if (!stream->layer->decode(stream->layer_state, wire, &stream->input,
		    &stream->wire)) {
		if (errno) {
			fail(stream, errno);
			return -1;
		}
		stream->ended = true;
		return unread(stream) > before ? 1 : -1;
	}
	return unread(stream) > before ? 1 : 0;
}

static int read_layer(struct stream *stream)
{
	size_t len;
	int result = read_octets(stream, wire_octets, sizeof(wire_octets),
		&len);

	return result > 0 ? decode(stream, str_of(wire_octets, len)) : result;
}

/* As read_octets. A result of 0 from a layer: what came was not data. */
static int read_some(struct stream *stream)
{
	if (!is_usable(stream))
		return -1;
	if (stream->ended) {
		errno = 0;
		return -1;
	}
	return stream->layer ? read_layer(stream) : read_plain(stream);
}

/* At least one octet more in the buffer; output leaves before we wait. */
static bool fill(struct stream *stream, struct wait *wait)
{
	bool try_first = !stream->drained;

	if (!is_usable(stream))
		return false;
	retired_free(stream);
	for (;;) {
		int result = try_first || stream->ended ? read_some(stream) : 0;

		if (result)
			return result > 0;
		try_first = true;
		if (stream_unsent(stream) > 0 && !flush_now(stream, STR("")))
			return false;
		if (!stream->drained)
			continue;
		input_release(stream);
		if (io_wait_again(stream->in, POLLIN,
			    wait_left(stream, wait)))
			continue;
		/* The news that octets are there may have come in the same
		 * moment, and would not come again. */
		stream->drained = false;
		return errno == ETIMEDOUT || errno == ECANCELED ?
			false : fail(stream, errno);
	}
}

bool stream_bare_lf(const struct stream *stream)
{
	return stream->bare_lf;
}

static void note_end(struct stream *stream, struct str part)
{
	size_t kept = sizeof(stream->end);

	if (part.len < kept) {
		kept -= part.len;
		if (kept > stream->end_len)
			kept = stream->end_len;
		memmove(stream->end, stream->end + stream->end_len - kept,
			kept);
	} else {
		part = str_skip(part, part.len - kept);
		kept = 0;
	}
	if (part.len > 0)
		memcpy(stream->end + kept, part.p, part.len);
	stream->end_len = kept + part.len;
}

struct str stream_line_end(const struct stream *stream)
{
	struct str end = str_of(stream->end, stream->end_len);

	if (str_ends(end, STR("\r")))
		end.len--;
	return end.len > STREAM_LINE_END ? str_skip(end, 1) : end;
}

/* The end of a line over the limit: true when its LF was found. */
static bool skip_to_lf(struct stream *stream)
{
	struct str input = stream_buffered(stream);
	size_t lf = str_find_char(input, '\n');

	note_end(stream, str_first(input, lf == SIZE_MAX ? input.len : lf));
	stream_consume(stream, lf == SIZE_MAX ? input.len : lf + 1);
	stream->skipping = lf == SIZE_MAX;
	return lf != SIZE_MAX;
}

static bool too_long(struct stream *stream, struct wait *wait)
{
	if (!stream->skipping)
		stream->end_len = 0;
	stream->skipping = true;
	while (!skip_to_lf(stream))
		if (!fill(stream, wait))
			return false;
	errno = EMSGSIZE;
	return false;
}

bool io_line(struct stream *stream, struct str *line, struct span timeout)
{
	struct wait wait = { .timeout = timeout };
	size_t seen = 0, lf;
	struct str input;

	*line = STR_NONE;
	if (stream->failure) {
		errno = stream->failure;
		return false;
	}
	if (stream->skipping)
		return too_long(stream, &wait);
	for (;;) {
		input = stream_buffered(stream);
		lf = str_find_char(str_skip(input, seen), '\n');
		if (lf != SIZE_MAX)
			break;
		seen = input.len;
		if (seen > stream->line_limit + 1)
			return too_long(stream, &wait);
		if (!fill(stream, &wait))
			return false;
	}
	lf += seen;
	stream_consume(stream, lf + 1);
	stream->bare_lf = lf == 0 || input.p[lf - 1] != '\r';
	*line = str_first(input, stream->bare_lf ? lf : lf - 1);
	if (line->len <= stream->line_limit)
		return true;
	stream->end_len = 0;
	note_end(stream, *line);
	*line = STR_NONE;
	errno = EMSGSIZE;
	return false;
}

bool io_peek(struct stream *stream, struct str *octets, struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	*octets = STR_NONE;
	if (stream->failure) {
		errno = stream->failure;
		return false;
	}
	if (unread(stream) == 0 && !fill(stream, &wait))
		return false;
	*octets = stream_buffered(stream);
	return true;
}

void stream_consume(struct stream *stream, size_t len)
{
	if (len > unread(stream))
		panic("stream_consume: %zu of %zu octets", len,
			unread(stream));
	stream->at += len;
}

bool io_read(struct stream *stream, size_t len, struct str *octets,
	struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	*octets = STR_NONE;
	if (len == 0 || len > INPUT_MOST)
		panic("io_read of %zu octets", len);
	if (stream->failure) {
		errno = stream->failure;
		return false;
	}
	if (unread(stream) < len && stream->read_size < len)
		stream->read_size = len;
	while (unread(stream) < len)
		if (!fill(stream, &wait))
			return false;
	*octets = str_first(stream_buffered(stream), len);
	stream_consume(stream, len);
	return true;
}

/* The line that was read last stays where it is: it is being looked at. */
bool io_has_input(struct stream *stream)
{
	int waiting = 0;

	if (unread(stream) > 0)
		return true;
	if (stream->failure || stream->ended ||
		ioctl(stream->in, FIONREAD, &waiting) < 0)
		return false;
	if (waiting <= 0) {
		stream->drained = true; /* the next thing is to wait */
		return false;
	}
	if (!stream->retired) {
		stream->retired = stream->input.p;
		stream->input = (struct buf){ 0 };
		stream->at = 0;
	}
	return read_some(stream) > 0;
}

size_t stream_discard_input(struct stream *stream)
{
	size_t len = unread(stream);

	stream_consume(stream, len);
	input_release(stream);
	stream->skipping = false;
	return len;
}

/* ---- Layers ---- */

void stream_set_layer(struct stream *stream, const struct stream_layer *layer,
	void *state)
{
	if (unread(stream) > 0 || stream_unsent(stream) > 0)
		panic("a layer is set while octets are buffered");
	stream->layer = layer;
	stream->layer_state = state;
	stream->drained = false;
}

bool stream_layer_input(struct stream *stream, struct str wire)
{
	bool ok = is_usable(stream) &&
		(wire.len == 0 || decode(stream, wire) >= 0 ||
			stream->ended);

	buf_free(&stream->raw); /* where `wire` may have stood */
	return ok;
}

bool stream_raw_write(struct stream *stream, struct str wire,
	struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	return is_usable(stream) && send_plain(stream, wire, &wait);
}

bool stream_raw_read(struct stream *stream, struct str *wire,
	struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	*wire = STR_NONE;
	if (!is_usable(stream) || !flush_now(stream, STR("")))
		return false;
	if (!buf_room(&stream->raw, INPUT_FIRST))
		return fail(stream, ENOMEM);
	for (;;) {
		size_t len;
		int result = read_octets(stream, stream->raw.p,
			stream->raw.cap, &len);

		if (result > 0) {
			*wire = str_of(stream->raw.p, len);
			return true;
		}
		if (result < 0)
			return false;
		if (!io_wait_again(stream->in, POLLIN,
			    wait_left(stream, &wait)))
			return false;
	}
}

/* Waits for the first octet. */
static bool receive(struct stream *stream, char *into, size_t room, int flags,
	struct wait *wait, size_t *len)
{
	ssize_t got;

	while ((got = recv(stream->in, into, room, flags)) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return fail(stream, errno);
		if (!io_wait_again(stream->in, POLLIN,
			    wait_left(stream, wait)))
			return false;
	}
	*len = (size_t)got;
	if (got == 0) {
		stream->ended = true;
		errno = 0;
	} else if (!(flags & MSG_PEEK)) {
		stream->octets_in += (uint64_t)got;
	}
	return got > 0;
}

bool stream_raw_exactly(struct stream *stream, size_t len,
	struct span timeout, struct str *octets)
{
	struct wait wait = { .timeout = timeout };
	size_t have = 0, got;

	*octets = STR_NONE;
	if (!is_usable(stream))
		return false;
	buf_clear(&stream->raw);
	if (!buf_room(&stream->raw, len > 0 ? len : 1))
		return fail(stream, ENOMEM);
	for (; have < len; have += got)
		if (!receive(stream, stream->raw.p + have, len - have, 0,
			    &wait, &got))
			return false;
	*octets = str_of(stream->raw.p, have);
	return true;
}

bool stream_raw_line(struct stream *stream, size_t most,
	struct span timeout, struct str *octets)
{
	struct wait wait = { .timeout = timeout };
	size_t have = 0, got = 0;
	const char *end = NULL;

	*octets = STR_NONE;
	if (!is_usable(stream))
		return false;
	buf_clear(&stream->raw);
	if (!buf_room(&stream->raw, most))
		return fail(stream, ENOMEM);
	for (; !end && have < most; have += got) {
		char *into = stream->raw.p + have;

		if (!receive(stream, into, most - have, MSG_PEEK, &wait, &got))
			return false;
		end = memchr(into, '\n', got);
		if (!receive(stream, into, end ? (size_t)(end - into) + 1 : got,
			    0, &wait, &got))
			return false;
	}
	*octets = str_of(stream->raw.p, have);
	errno = EMSGSIZE;
	return end != NULL;
}
