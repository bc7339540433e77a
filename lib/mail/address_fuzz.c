#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct mail_address parts;
	struct str internal = mail_address_internal(arena, in);

	(void)mail_address_external(arena, internal);
	mail_address_split(in, STR("+-"), true, &parts);
	(void)mail_address_strip(arena, in, STR("+"), false);
	(void)mail_address_fold_domain(arena, in);
	arena_free(arena);
	return 0;
}
