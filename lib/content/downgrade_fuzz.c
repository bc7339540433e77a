#include "content/downgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first octet says how the content is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct str in = str_of(data, size);
	size_t step = size ? data[0] + 1u : 1;
	struct downgrade d;

	downgrade_init(&d, arena);
	while (in.len > 0) {
		downgrade(&d, str_first(in, step), &out);
		in = str_skip(in, step);
	}
	downgrade_end(&d, &out);
	arena_free(arena);
	return 0;
}
