#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct mail_header header;

	while (mail_header_take(&in, &header))
		(void)mail_header_unfold(arena, header.body);
	arena_free(arena);
	return 0;
}
