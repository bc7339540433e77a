/*
 * Lines of a stream, and what becomes of those over the limit: they are skipped
 * up to their LF, however much that is, and their last octets are kept.
 */
#include "io/stream_parts.h"

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
		if (!stream_fill(stream, wait))
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
		if (!stream_fill(stream, &wait))
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
