/*
 * Digests of keys, by a library that is loaded for them.
 */
#include "maps/key_digest.h"

#include "base/test.h"

/* NULL: there is no such digest. */
static const struct {
	const char *name, *key, *hex;
} digests[] = {
	{ "md5", "abc", "900150983cd24fb0d6963f7d28e17f72" }, /* RFC 1321 A.5 */
	{ "SHA1", "abc", /* RFC 3174 7.3 */
		"a9993e364706816aba3e25717850c26c9cd0d89d" },
	{ "sha1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
	{ "crc32", NULL, NULL },
	{ "", NULL, NULL },
};

static void digests_keys(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(digests); i++) {
		struct buf out = BUF_IN(arena);
		const char *why;
		const struct key_digest *digest = key_digest_open(arena,
			str_from(digests[i].name), &why);

		if (!digests[i].hex) {
			assert_null(digest);
			assert_string_equal(why, "unknown");
			continue;
		}
		assert_non_null(digest);
		assert_true(key_digest_format(digest, str_from(digests[i].key),
			&out));
		assert_str(buf_str(&out), digests[i].hex);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
