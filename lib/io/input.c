/*
 * The input of a stream: a buffer that is there only while something is in it.
 */
#include "io/stream_parts.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/sanitizer.h"

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

static void retired_free(struct stream *stream)
{
	free(stream->retired);
	stream->retired = NULL;
}

void stream_input_close(struct stream *stream)
{
	input_free(stream);
	retired_free(stream);
}

/* Where wire octets stay between read and decode, which does not wait. */
static char wire_octets[INPUT_MOST];

struct str stream_buffered(const struct stream *stream)
{
	return str_skip(buf_str(&stream->input), stream->at);
}

/* A heap buffer of exactly this size, with what is unread at its front. */
static void input_resize(struct stream *stream, size_t cap)
{
	size_t kept = stream_unread(stream);
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
	size_t kept = stream_unread(stream);

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
	if (stream_unread(stream) == 0)
		input_free(stream);
}

int stream_read_octets(struct stream *stream, char *into, size_t room,
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
		stream_fail(stream, errno);
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
	result = stream_read_octets(stream,
		stream->input.p + stream->input.len, room, &len);
	if (result <= 0)
		return result;
	stream->input.len += len;
	if (len == room && stream->read_size < INPUT_MOST)
		stream->read_size *= 2;
	return 1;
}

int stream_decode(struct stream *stream, struct str wire)
{
	size_t before = stream_unread(stream);

	input_room(stream, wire.len);
	errno = 0;
	if (!stream->layer->decode(stream->layer_state, wire, &stream->input,
		    &stream->wire)) {
		if (errno) {
			stream_fail(stream, errno);
			return -1;
		}
		stream->ended = true;
		return stream_unread(stream) > before ? 1 : -1;
	}
	return stream_unread(stream) > before ? 1 : 0;
}

static int read_layer(struct stream *stream)
{
	size_t len;
	int result = stream_read_octets(stream, wire_octets,
		sizeof(wire_octets), &len);

	return result <= 0 ? result :
		stream_decode(stream, str_of(wire_octets, len));
}

/* As read_octets. A result of 0 from a layer: what came was not data. */
static int read_some(struct stream *stream)
{
	if (!stream_is_usable(stream))
		return -1;
	if (stream->ended) {
		errno = 0;
		return -1;
	}
	return stream->layer ? read_layer(stream) : read_plain(stream);
}

bool stream_fill(struct stream *stream, struct wait *wait)
{
	bool try_first = !stream->drained;

	if (!stream_is_usable(stream))
		return false;
	retired_free(stream);
	for (;;) {
		int result = try_first || stream->ended ? read_some(stream) : 0;

		if (result)
			return result > 0;
		try_first = true;
		if (stream_unsent(stream) > 0 && !stream_flush_now(stream, STR("")))
			return false;
		if (!stream->drained)
			continue;
		input_release(stream);
		if (io_wait_again_until(stream->in, POLLIN,
			    stream_wait_end(stream, wait)))
			continue;
		/* The news that octets are there may have come in the same
		 * moment, and would not come again. */
		stream->drained = false;
		return errno == ETIMEDOUT || errno == ECANCELED ?
			false : stream_fail(stream, errno);
	}
}

bool io_peek(struct stream *stream, struct str *octets, struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	*octets = STR_NONE;
	if (stream->failure) {
		errno = stream->failure;
		return false;
	}
	if (stream_unread(stream) == 0 && !stream_fill(stream, &wait))
		return false;
	*octets = stream_buffered(stream);
	return true;
}

void stream_consume(struct stream *stream, size_t len)
{
	if (len > stream_unread(stream))
		panic("stream_consume: %zu of %zu octets", len,
			stream_unread(stream));
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
	if (stream_unread(stream) < len && stream->read_size < len)
		stream->read_size = len;
	while (stream_unread(stream) < len)
		if (!stream_fill(stream, &wait))
			return false;
	*octets = str_first(stream_buffered(stream), len);
	stream_consume(stream, len);
	return true;
}

/* The line that was read last stays where it is: it is being looked at. It
 * stands in the buffer if anything was taken from that, else in the one before. */
static void retire_input(struct stream *stream)
{
	if (stream->input.len == 0)
		return;
	retired_free(stream);
	stream->retired = stream->input.p;
	stream->input = (struct buf){ 0 };
	stream->at = 0;
}

bool io_has_input(struct stream *stream)
{
	int waiting = 0;

	if (stream_unread(stream) > 0)
		return true;
	if (stream->failure || stream->ended ||
		ioctl(stream->in, FIONREAD, &waiting) < 0)
		return false;
	if (waiting <= 0) {
		stream->drained = true; /* the next thing is to wait */
		return false;
	}
	retire_input(stream);
	return read_some(stream) > 0;
}

size_t stream_discard_input(struct stream *stream)
{
	size_t len = stream_unread(stream);

	stream_consume(stream, len);
	input_release(stream);
	stream->skipping = false;
	return len;
}
