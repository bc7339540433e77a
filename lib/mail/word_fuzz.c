#include "mail/word.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct buf out = BUF_IN(arena);

	(void)mail_words_decode(arena, in);
	mail_words_format(&out, in, "utf-8");
	arena_free(arena);
	return 0;
}
