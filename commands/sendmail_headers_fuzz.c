/*
 * Any header: its recipients are a bounded number of addresses, none empty.
 */
#include "commands/sendmail_headers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static void take(void *context, struct str address)
{
	size_t *count = context;

	if (address.len == 0)
		abort();
	++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	size_t count = 0;

	headers_recipients(arena, str_of(octets, len), take, &count);
	if (count > len)
		abort();
	return 0;
}
