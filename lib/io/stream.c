#include "io/stream_parts.h"

#include <fcntl.h>
#include <unistd.h>

struct moment stream_wait_end(struct stream *stream, struct wait *wait)
{
	if (!wait->has_begun) {
		wait->until = moment_after(wait->timeout);
		if (wait->until.us > stream->deadline.us)
			wait->until = stream->deadline;
		wait->has_begun = true;
	}
	return wait->until;
}

bool stream_fail(struct stream *stream, int error)
{
	if (!stream->failure)
		stream->failure = error;
	errno = error;
	return false;
}

bool stream_is_usable(struct stream *stream)
{
	if (stream->failure) {
		errno = stream->failure;
		return false;
	}
	if (arena_is_over(stream->arena))
		return stream_fail(stream, ENOMEM);
	return true;
}

/* ---- open and close ---- */

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

void stream_close_output(struct stream *stream)
{
	if (stream->out >= 0)
		close_end(stream->out, stream->out_flags);
	stream->out = -1;
}

void stream_close(struct stream *stream)
{
	int in = stream->in;

	if (stream->out == in)
		stream->out = -1;
	stream_close_output(stream);
	stream->in = -1;
	if (in >= 0)
		close_end(in, stream->in_flags);
	stream_input_close(stream);
	buf_free(&stream->output);
	stream_forget_lent(stream);
	buf_free(&stream->wire);
	buf_free(&stream->raw);
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

void stream_set_layer(struct stream *stream, const struct stream_layer *layer,
	void *state)
{
	if (stream_unread(stream) > 0 || stream_unsent(stream) > 0)
		panic("a layer is set while octets are buffered");
	stream->layer = layer;
	stream->layer_state = state;
	stream->drained = false;
}
