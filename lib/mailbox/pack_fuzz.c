/*
 * Packs that were damaged.
 */
#include "mailbox/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct index_mailbox row = { .id = 1, .uidvalidity = 2,
		.uidnext = UINT32_MAX, .modseq = UINT64_MAX };
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct index_message message;
	uint32_t uid = 0;
	struct pack pack;

	/* A good header in front of them. */
	pack_begin(&out, &row, (uint32_t)(len / 4));
	buf_add(&out, str_of(octets, len));
	if (!pack_open(buf_str(&out), &row, &pack))
		__builtin_trap();
	while (pack.taken < pack.count && pack_take(&pack, &row, &message)) {
		if (message.uid <= uid || message.uid >= row.uidnext)
			__builtin_trap();
		uid = message.uid;
	}
	(void)!pack_open(str_of(octets, len), &row, &pack);
	return 0;
}
