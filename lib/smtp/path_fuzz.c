#include "base/base.h"

#include "smtp/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct str address, strict = in;
	bool has_route;

	if (smtp_path_take(arena, &in, false, &address, &has_route) &&
		address.len > SMTP_ADDRESS_MOST)
		panic("an address of %zu octets", address.len);
	if (smtp_path_take(arena, &strict, true, &address, &has_route) &&
		address.len > SMTP_ADDRESS_MOST)
		panic("an address of %zu octets", address.len);
	arena_free(arena);
	return 0;
}
