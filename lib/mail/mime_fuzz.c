#include "base/base.h"

#include "mail/mime.h"

static void check(const struct mime_part *part, size_t len)
{
	if (part->body_at + part->body_len > len ||
		part->header_at + part->header_len > len)
		panic("part outside of the message");
	for (part = part->children; part; part = part->next)
		check(part, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);

	check(mime_parse(arena, in), len);
	arena_free(arena);
	return 0;
}
