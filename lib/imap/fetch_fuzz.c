#include "imap/fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* A line of items, then a message of which they are asked. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str message = str_of(octets, len), line;
	struct imap_fetch fetch;

	if (str_take_line(&message, &line) &&
		imap_fetch_parse(arena, line, &fetch)) {
		struct mime_part *root = mime_parse(arena, message);

		for (size_t i = 0; i < fetch.count; i++) {
			struct str section;

			(void)imap_section_find(arena, message, root,
				&fetch.sections[i], &section);
		}
	}
	arena_free(arena);
	return 0;
}
