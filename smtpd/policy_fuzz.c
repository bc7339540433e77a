/*
 * check_policy_service: main.cf's text, and behind the first NUL the answer of
 * a hostile server.
 */
#include "smtpd/policy.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static void answer(struct arena *arena, struct str text)
{
	struct stream *stream;
	struct str action;
	int pair[2];

	if (text.len > 60000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return;
	stream = stream_open(arena, pair[0]);
	if (write(pair[1], text.p, text.len) < 0)
		abort();
	close(pair[1]);
	if (policy_answer_take(stream, arena, &action) &&
		(action.len == 0 || str_find_char(action, '\n') != SIZE_MAX))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct str text = str_take_until(&in, '\0');
	struct policy_options options = { 0 };

	if (policy_options_parse(&options, text) && options.endpoint.len == 0)
		abort();
	answer(arena, in);
	return 0;
}
