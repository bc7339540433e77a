#include "imap/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct imap_search *program;

	if (imap_search_parse(arena, str_of(octets, len), &program)) {
		imap_search_resolve(program, 100, 1000);
		(void)imap_search_needs(program);
		(void)imap_search_uses(program, IMAP_SEARCH_MODSEQ);
	}
	arena_free(arena);
	return 0;
}
