#include "imap/notify.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct imap_notify notify;

	if (imap_notify_parse(arena, str_of(octets, len), &notify) ==
			IMAP_NOTIFY_OK &&
		notify.is_none != (notify.count == 0))
		abort();
	arena_free(arena);
	return 0;
}
