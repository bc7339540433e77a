#include "mail/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct mail_params params;

	mail_params_parse(arena, in, &params);
	arena_free(arena);
	return 0;
}
