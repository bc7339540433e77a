#include "io/fiber.h"
#include "io/stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* The first octet is the line limit; what is read is never longer, and never
 * more than came. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stream *stream;
	struct str line;
	size_t total = 0;
	int pair[2];

	if (len < 1 || len > 60000 ||
		socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 0;
	stream = stream_open(arena, pair[0]);
	stream_line_limit(stream, octets[0]);
	if (write(pair[1], octets + 1, len - 1) < 0)
		abort();
	close(pair[1]);
	while (io_line(stream, &line, span_s(1)) || io_failure(stream) == 0) {
		if (line.len > octets[0] || (total += line.len) > len)
			abort();
		if (!line.p && !io_has_input(stream) &&
			stream_buffered(stream).len == 0)
			break;
		if (!line.p && stream_buffered(stream).len > 0 &&
			!memchr(stream_buffered(stream).p, '\n',
				stream_buffered(stream).len))
			break;
	}
	return 0;
}
