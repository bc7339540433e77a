#include "mailbox/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* What was read is written and read again as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct mailbox_metadata first, second;
	struct buf out = BUF_IN(arena);

	mailbox_metadata_parse(arena, str_of(octets, len), &first);
	mailbox_metadata_format(&out, &first);
	mailbox_metadata_parse(arena, buf_str(&out), &second);
	if (first.count != second.count)
		__builtin_trap();
	for (size_t i = 0; i < first.count; i++)
		if (!str_eq(first.items[i].value, second.items[i].value))
			__builtin_trap();
	arena_free(arena);
	return 0;
}
