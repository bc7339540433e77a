#include "mail/message_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct str id;

	while (mail_message_id_take(&in, &id))
		;
	arena_free(arena);
	return 0;
}
