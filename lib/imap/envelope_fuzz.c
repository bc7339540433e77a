#include "imap/envelope.h"
#include "imap/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str message = str_of(octets, len);
	struct mime_part *root = mime_parse(arena, message);
	struct buf out = BUF_IN(arena);

	imap_envelope_format(arena, &out, message);
	imap_structure_format(arena, &out, message, root, true);
	(void)imap_match_body(arena, message, root, STR("needle"), true);
	(void)imap_needle(arena, STR("utf-8"), message);
	arena_free(arena);
	return 0;
}
