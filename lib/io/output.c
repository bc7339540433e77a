/*
 * The output of a stream: collected, and sent when there is much of it, when
 * somebody flushes, and before a read has to wait.
 */
#include "io/stream_parts.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	OUTPUT_MOST = 64 * 1024, /* sent when there is more */
	LARGE_LEAST = 2 * 1024,  /* a piece with which more of them will come */
	WIRE_PIECE = 64 * 1024,  /* plain octets given to a layer at once */
	LENT_MOST = 64,          /* pieces that are lent at a time */
	PIECES_MOST = 2 * LENT_MOST + 1, /* with what stands between them */
};

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
			return stream_fail(stream, errno);
		if (io_wait_again_until(stream->out, POLLOUT,
			    stream_wait_end(stream, wait)))
			continue;
		return errno == ECANCELED ? false : stream_fail(stream, errno);
	}
	return true;
}

static struct iovec piece_of(struct str s)
{
	return (struct iovec){ .iov_base = (void *)(uintptr_t)s.p,
		.iov_len = s.len };
}

void stream_forget_lent(struct stream *stream)
{
	free(stream->lent);
	stream->lent = NULL;
	stream->lent_count = stream->lent_octets = 0;
}

/* The output, with what was lent where it belongs; how many pieces. */
static size_t collect_pieces(const struct stream *stream,
	struct iovec pieces[PIECES_MOST])
{
	struct str output = buf_str(&stream->output);
	size_t count = 0, at = 0;

	for (size_t i = 0; i < stream->lent_count; i++) {
		const struct lent *lent = &stream->lent[i];

		pieces[count++] = piece_of(
			str_first(str_skip(output, at), lent->at - at));
		pieces[count++] = piece_of(lent->octets);
		at = lent->at;
	}
	pieces[count++] = piece_of(str_skip(output, at));
	return count;
}

/* What could not be sent stays, as a copy: nothing is lent any more. */
static void keep_pieces(struct stream *stream, const struct iovec *pieces,
	size_t count)
{
	struct buf rest = { 0 };

	for (size_t i = 0; i < count; i++)
		buf_add(&rest, str_of(pieces[i].iov_base, pieces[i].iov_len));
	buf_free(&stream->output);
	stream->output = rest;
	stream_forget_lent(stream);
}

/* Few of those who write lend: the others need no stack for so many pieces. */
static __attribute__((noinline)) bool send_lent(struct stream *stream,
	struct wait *wait)
{
	struct iovec pieces[PIECES_MOST];
	size_t count = collect_pieces(stream, pieces), done;
	bool ok = send_pieces(stream, pieces, count, wait, &done);

	keep_pieces(stream, pieces, ok ? 0 : count);
	return ok;
}

bool stream_send_plain(struct stream *stream, struct str more,
	struct wait *wait)
{
	struct iovec pieces[2];
	size_t buffered, done;
	bool ok;

	if (stream->lent_count > 0 && !send_lent(stream, wait))
		return false;
	if (stream->output.len + more.len == 0)
		return true;
	pieces[0] = piece_of(buf_str(&stream->output));
	pieces[1] = piece_of(more);
	buffered = stream->output.len;
	ok = send_pieces(stream, pieces, 2, wait, &done);
	if (done >= buffered)
		buf_free(&stream->output);
	else
		buf_drop(&stream->output, done);
	/* Part of `more` is gone, and the caller cannot know how much. */
	if (!ok && done > buffered)
		return stream_fail(stream, errno);
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
			return stream_fail(stream, errno ? errno : EPROTO);
		plain = str_skip(plain, piece.len);
		if (plain.len > 0 && !send_wire(stream, wait))
			return stream_fail(stream, errno);
	}
	return true;
}

static bool flush(struct stream *stream, struct str more, struct wait *wait)
{
	struct str plain = buf_str(&stream->output);
	bool ok;

	if (!stream->layer)
		return stream_unsent(stream) + more.len == 0 ||
			stream_send_plain(stream, more, wait);
	ok = encode(stream, plain, wait);
	buf_free(&stream->output);
	ok = ok && encode(stream, more, wait);
	return ok && send_wire(stream, wait);
}

bool io_flush(struct stream *stream, struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	return stream_is_usable(stream) && flush(stream, STR(""), &wait);
}

bool io_flush_last(struct stream *stream, struct span timeout)
{
	stream->is_last = true;
	return io_flush(stream, timeout);
}

bool stream_flush_now(struct stream *stream, struct str more)
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
	if (!stream_is_usable(stream))
		return false;
	if (stream->output.len + octets.len >= OUTPUT_MOST)
		return stream_flush_now(stream, octets);
	collect(stream, octets);
	return true;
}

bool io_lend(struct stream *stream, struct str octets)
{
	if (stream->layer || octets.len < LARGE_LEAST)
		return io_write(stream, octets);
	if (!stream_is_usable(stream))
		return false;
	if (stream->lent_count == LENT_MOST &&
		!stream_flush_now(stream, STR("")))
		return false;
	if (!stream->lent)
		stream->lent = mem_new(LENT_MOST, sizeof(*stream->lent));
	stream->lent[stream->lent_count++] = (struct lent){
		stream->output.len, octets };
	stream->lent_octets += octets.len;
	return true;
}

bool io_take_back(struct stream *stream)
{
	bool ok = stream->lent_count == 0 || (stream_is_usable(stream) &&
		stream_flush_now(stream, STR("")));

	stream_forget_lent(stream); /* also of one that is used no more */
	return ok;
}

bool io_text(struct stream *stream, const char *text)
{
	return io_write(stream, str_from(text));
}

bool io_vfmt(struct stream *stream, const char *format, va_list args)
{
	if (!stream_is_usable(stream))
		return false;
	buf_vfmt(&stream->output, format, args);
	if (stream->output.failed) {
		stream->output.failed = false;
		return stream_fail(stream, EINVAL);
	}
	return stream->output.len < OUTPUT_MOST ||
		stream_flush_now(stream, STR(""));
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
	return stream->output.len + stream->lent_octets + stream->wire.len -
		stream->wire_sent;
}

bool io_shutdown(struct stream *stream, struct span timeout)
{
	struct wait wait = { .timeout = timeout };

	/* shutdown(2) sends what is held back, and the end, in one packet;
	 * also where another process has the socket, too. */
	stream->is_last = true;
	if (!stream_is_usable(stream) || !flush(stream, STR(""), &wait))
		return false;
	if (stream->layer) {
		if (!stream->layer->finish(stream->layer_state, &stream->wire))
			return stream_fail(stream, errno ? errno : EPROTO);
		if (!send_wire(stream, &wait))
			return false;
	}
	if (shutdown(stream->out, SHUT_WR) == 0)
		return true;
	if (errno != ENOTSOCK)
		return stream_fail(stream, errno);
	if (stream->out != stream->in)
		stream_close_output(stream);
	return true;
}
