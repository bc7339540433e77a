/*
 * Past the layer of a stream and its buffers: a handshake, and what a proxy
 * says before the dialogue begins.
 */
#include "io/stream_parts.h"

#include <poll.h>
#include <sys/socket.h>

bool stream_layer_input(struct stream *stream, struct str wire)
{
	bool ok = stream_is_usable(stream) &&
		(wire.len == 0 || stream_decode(stream, wire) >= 0 ||
			stream->ended);

	buf_free(&stream->raw); /* where `wire` may have stood */
	return ok;
}

bool stream_raw_write(struct stream *stream, struct str wire,
	struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	return stream_is_usable(stream) &&
		stream_send_plain(stream, wire, &wait);
}

bool stream_raw_read(struct stream *stream, struct str *wire,
	struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	*wire = STR_NONE;
	if (!stream_is_usable(stream) || !stream_flush_now(stream, STR("")))
		return false;
	if (!buf_room(&stream->raw, INPUT_FIRST))
		return stream_fail(stream, ENOMEM);
	for (;;) {
		size_t len;
		int result = stream_read_octets(stream, stream->raw.p,
			stream->raw.cap, &len);

		if (result > 0) {
			*wire = str_of(stream->raw.p, len);
			return true;
		}
		if (result < 0)
			return false;
		if (!io_wait_again_until(stream->in, POLLIN,
			    stream_wait_end(stream, &wait)))
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
			return stream_fail(stream, errno);
		if (!io_wait_again_until(stream->in, POLLIN,
			    stream_wait_end(stream, wait)))
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
	if (!stream_is_usable(stream))
		return false;
	buf_clear(&stream->raw);
	if (!buf_room(&stream->raw, len > 0 ? len : 1))
		return stream_fail(stream, ENOMEM);
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
	if (!stream_is_usable(stream))
		return false;
	buf_clear(&stream->raw);
	if (!buf_room(&stream->raw, most))
		return stream_fail(stream, ENOMEM);
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
