/*
 * What a server of tcp:, socketmap: or memcache: tables might say.
 */
#include "maps/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size), text, value;
	struct arena *arena = arena_new(0);
	struct wire_place place;
	enum maps_result result;
	uint64_t octets;
	size_t need;
	bool found;

	(void)!wire_tcp_reply(arena, in, &result, &value);
	(void)wire_tcp_encode(arena, in);
	if (wire_netstring_need(in, 100000, &need) &&
		wire_netstring_parse(in, &text))
		(void)!wire_socketmap_reply(text, &result, &value);
	(void)!wire_memcache_reply(in, STR("key"), &found, &octets);
	(void)wire_memcache_key(arena, in);
	(void)!wire_tcp_place(arena, in, &place);
	(void)!wire_socketmap_place(arena, in, &place);
	(void)!wire_memcache_place(arena, in, &place);
	arena_free(arena);
	return 0;
}
