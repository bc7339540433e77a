#include "base/test.h"

#include "base/encode.h"

static const struct {
	void (*format)(struct buf *out, struct str in);
	struct str (*parse)(struct arena *arena, struct str in);
	const char *plain, *form;
} pairs[] = {
	/* RFC 4648 10 */
	{ base64_format, base64_parse, "", "" },
	{ base64_format, base64_parse, "f", "Zg==" },
	{ base64_format, base64_parse, "fo", "Zm8=" },
	{ base64_format, base64_parse, "foo", "Zm9v" },
	{ base64_format, base64_parse, "foob", "Zm9vYg==" },
	{ base64_format, base64_parse, "fooba", "Zm9vYmE=" },
	{ base64_format, base64_parse, "foobar", "Zm9vYmFy" },
	{ base64_format, base64_parse, "\xff\xfe\xfd", "//79" },
	{ hex_format, hex_parse, "", "" },
	{ hex_format, hex_parse, "\x01\xab\xff", "01abff" },
	/* RFC 3461 4 */
	{ xtext_format, xtext_parse, "a@b.example", "a@b.example" },
	{ xtext_format, xtext_parse, "a+b=c d\xc3", "a+2Bb+3Dc+20d+C3" },
};

static void there_and_back(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct buf out = BUF_IN(arena);

		pairs[i].format(&out, str_from(pairs[i].plain));
		assert_str(buf_str(&out), pairs[i].form);
		assert_str(pairs[i].parse(arena, str_from(pairs[i].form)),
			pairs[i].plain);
	}
}

static const struct {
	struct str (*parse)(struct arena *arena, struct str in);
	const char *form;
} malformed[] = {
	{ base64_parse, "Zg" },
	{ base64_parse, "Zg=" },
	{ base64_parse, "Zg===" },
	{ base64_parse, "Zg==Zg==" },
	{ base64_parse, "=" },
	{ base64_parse, "====" },
	{ base64_parse, "Z===" },
	{ base64_parse, "Zm9v\n" },
	{ base64_parse, "Zm 9" },
	{ base64_parse, "Zm-_" },
	{ hex_parse, "0" },
	{ hex_parse, "0g" },
	{ hex_parse, "0x" },
	{ xtext_parse, "a+" },
	{ xtext_parse, "a+2" },
	{ xtext_parse, "a+2g" },
	{ xtext_parse, "a=b" },
	{ xtext_parse, "a b" },
};

static void refuses_malformed(void **state)
{
	auto_arena struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(malformed); i++)
		if (!str_is_none(malformed[i].parse(arena,
			    str_from(malformed[i].form))))
			fail_msg("taken: %s", malformed[i].form);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(refuses_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
