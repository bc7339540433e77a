#include "mailbox/departed.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* What was read can be said, and is read again as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct departed first, second;
	struct buf out = BUF_IN(arena);

	for (size_t known = 0; known <= len; known = known * 2 + 1) {
		departed_parse(arena, str_of(octets, len), known, &first);
		if (known > 0 && first.octets > known)
			__builtin_trap();
	}
	departed_parse(arena, str_of(octets, len), 0, &first);
	for (size_t i = 0; i < first.count; i++) {
		const char *name = arena_cstr(arena, first.files[i].name);

		if (!departed_can_say(name))
			__builtin_trap();
		departed_line_format(&out, name, first.files[i].is_new);
	}
	departed_end_format(&out, 0);
	departed_confirm_format(&out);
	departed_parse(arena, buf_str(&out), 0, &second);
	if (second.count != first.count || second.octets + 2 != out.len)
		__builtin_trap();
	for (size_t i = 0; i < first.count; i++)
		if (!str_eq(first.files[i].name, second.files[i].name))
			__builtin_trap();
	arena_free(arena);
	return 0;
}
