#include "auth/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena auto_arena = arena_new(0);
	size_t bad;
	struct users *users = users_parse(arena, str_of(data, size), &bad);

	for (size_t i = 0; i < users_count(users); i++) {
		struct buf out = BUF_IN(arena);
		struct user again;

		user_format(&out, users_at(users, i));
		if (!user_parse(str_first(buf_str(&out), out.len - 1), &again))
			panic("our own line is refused");
	}
	return 0;
}
