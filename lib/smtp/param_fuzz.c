#include "base/arena.h"

#include "smtp/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct smtp_param param;
	struct str envid;
	unsigned bits;
	size_t sound = 0;

	while (smtp_param_take(&in, &param)) {
		sound += smtp_notify_parse(param.value, &bits);
		sound += smtp_orcpt_parse(param.value);
		sound += smtp_ret_parse(param.value, &bits);
		sound += smtp_envid_parse(arena, param.value, &envid);
	}
	(void)sound;
	arena_free(arena);
	return 0;
}
