#include "base/encode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static const struct {
	void (*format)(struct buf *out, struct str in);
	struct str (*parse)(struct arena *arena, struct str in);
} forms[] = {
	{ base64_format, base64_parse },
	{ hex_format, hex_parse },
	{ xtext_format, xtext_parse },
};

/* Any octets as a form; and what was formatted is read back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct buf out = BUF_IN(arena);

		forms[i].parse(arena, in);
		forms[i].format(&out, in);
		if (!str_eq(forms[i].parse(arena, buf_str(&out)), in))
			abort();
	}
	return 0;
}
