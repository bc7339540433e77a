#include "dns/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The type is the first octet, the packet the rest; its ID must be "ID". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct dns_answer answer;

	if (size < 1)
		return 0;
	arena = arena_new(0);
	if (dns_packet_answer(arena, str_of(data + 1, size - 1), 0x4944,
		    STR("a.example"), (enum dns_type)data[0], &answer))
		for (size_t i = 0; i < answer.count; i++)
			if (answer.records[i].len > 65535)
				panic("a record is too long");
	arena_free(arena);
	return 0;
}
