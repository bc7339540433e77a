#include "smtp/xclient.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct smtp_xclient x;

	if (smtp_xclient_parse(arena, str_of(octets, len), &x) && !x.given)
		__builtin_trap();
	if (smtp_xforward_parse(arena, str_of(octets, len), &x) && !x.given)
		__builtin_trap();
	arena_free(arena);
	return 0;
}
