#include "queue/postfix.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct envelope envelope;
	struct str content;

	(void)!postfix_message_parse(arena, str_of(octets, len), &envelope,
		&content);
	arena_free(arena);
	return 0;
}
