/* A slot or a file of the queue: header block, envelope, marks behind it. */
#include "queue/mark.h"
#include "queue/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct envelope envelope;
	struct message_head head;
	struct mark mark;
	uint64_t damaged = 0;

	/* As if the CRCs were right: they keep nobody out who can write. */
	if (envelope_parse(arena, in, &envelope)) {
		auto_buf struct buf out = { 0 }, of_copy = { 0 };
		struct envelope copy;

		envelope_format(&out, &envelope);
		envelope_copy(arena, &envelope, &copy);
		envelope_format(&of_copy, &copy);
		if (!str_eq(buf_str(&out), buf_str(&of_copy)))
			abort();
	}
	if (message_head_parse(in, &head))
		(void)!message_body_is_intact(
			&head, str_skip(in, MESSAGE_HEAD_OCTETS));
	while (mark_take(&in, &mark, &damaged))
		;
	return 0;
}
