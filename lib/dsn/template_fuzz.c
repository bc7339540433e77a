#include "dsn/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct dsn_template templates[DSN_KINDS];
	struct str error;

	dsn_templates_init(templates);
	(void)!dsn_templates_parse(
		arena, str_of(octets, len), templates, &error);
	arena_free(arena);
	return 0;
}
