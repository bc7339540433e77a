#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct buf out = BUF_IN(arena);
	struct smtp_reply reply = { 0 };
	struct str line;

	while (str_take_line(&in, &line) && smtp_reply_add(arena, &reply,
		line) == SMTP_REPLY_MORE)
		;
	smtp_reply_format(&out, smtp_reply_status(&reply), true);
	arena_free(arena);
	return 0;
}
