#include "queue/maildrop.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len), line;
	struct maildrop_line result;

	while (str_take_line(&in, &line))
		if (!maildrop_line_parse(arena, line, &result))
			break;
	arena_free(arena);
	return 0;
}
