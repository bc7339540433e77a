#include "agent/alias.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct alias_list list;

	(void)!alias_parse(arena, str_of(data, size), &list);
	(void)!alias_parse_file(arena, str_of(data, size), &list);
	arena_free(arena);
	return 0;
}
