#include "config/master_cf.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	struct master_cf cf;

	master_cf_parse(arena, str_of(octets, len), &cf);
	for (size_t i = 0; i < cf.count; i++)
		(void)master_cf_is_listed(&cf.rows[i], str_of(octets, len));
	return 0;
}
