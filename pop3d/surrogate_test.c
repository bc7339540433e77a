#include "base/test.h"

#include "mail/word.h"
#include "pop3d/surrogate.c"

static const struct {
	const char *in, *out;
} headers[] = {
	{ "Subject: plain \"x\"\r\n", "Subject: plain \"x\"\r\n" },
	{ "From: J\xc3\xbcrg <j@example.org>\r\n",
		"From: =?utf-8?q?J=C3=BCrg?= <j@example.org>\r\n" },
	{ "To: <j\xc3\xbcrg@example.org>, b@example.org\r\n",
		"To: <invalid@internationalized-address.invalid>, "
		"b@example.org\r\n" },
};

static void as_ascii(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct buf out = { 0 };

		surrogate_format(&out, str_from(headers[i].in));
		assert_true(str_is_nocase(buf_str(&out), headers[i].out));
		buf_free(&out);
	}
}

/* What a client makes of it. */
static void reads_the_same(void **state)
{
	static const char *const texts[] = {
		"Subject: Gr\xc3\xbc\xc3\x9f" "e aus K\xc3\xb6ln und Bonn",
		"Subject: \xc3\xa4 \xc3\xb6\t\xc3\xbc (\xc3\xa4) x\xc3\xa4",
	};
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf out = { 0 };

		surrogate_format(&out, str_from(texts[i]));
		assert_true(str_is_ascii(buf_str(&out)));
		assert_str(mail_words_decode(arena, buf_str(&out)), texts[i]);
		buf_free(&out);
	}
	arena_free(arena);
}

static void quotes_go(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = { 0 };

	(void)state;
	surrogate_format(&out,
		STR("From: \"J\xc3\xbcrg, der\" <a@example.org>"));
	assert_str(mail_words_decode(arena, buf_str(&out)),
		"From: J\xc3\xbcrg, der <a@example.org>");
	buf_clear(&out);
	surrogate_format(&out, STR("Subject: \xff\xfe\r\n \"\xff\r\n"));
	assert_true(str_is_ascii(buf_str(&out)));
	buf_free(&out);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_ascii),
		cmocka_unit_test(reads_the_same),
		cmocka_unit_test(quotes_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
