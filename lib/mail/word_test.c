#include "base/test.h"

#include "mail/word.h"

static const struct {
	const char *in, *out;
} words[] = {
	{ "plain text", "plain text" },
	{ "=?utf-8?q?caf=C3=A9_au?= lait", "caf\xc3\xa9 au lait" },
	{ "=?iso-8859-1?Q?a?= =?ISO-8859-1?q?b?=", "ab" },
	{ "=?iso-8859-1?Q?a?= b", "a b" },
	{ "=?UTF-8?B?w7w=?=", "\xc3\xbc" },
	{ "=?UTF-8?B?w7w?=", "\xc3\xbc" },
	/* a character cut in two (RFC 2047 5 forbids it; it is common) */
	{ "=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "\xc3\xbc" },
	{ "=?windows-1252?q?=80?=", "\xe2\x82\xac" },
	{ "=?utf-8*en?q?x?=", "x" },
	{ "=?koi8-r?q?=C1?= x", "=?koi8-r?q?=C1?= x" },
	{ "=?utf-8?q?=ZZ?=", "=?utf-8?q?=ZZ?=" },
	{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
	{ "=?utf-8?q?open", "=?utf-8?q?open" },
	{ "=?utf-8?q?=FF?=", "=?utf-8?q?=FF?=" },
	{ "x =?", "x =?" },
};

static void decodes(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++)
		assert_str(mail_words_decode(arena, str_from(words[i].in)),
			words[i].out);
	arena_free(arena);
}

static void encodes(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena), longer = BUF_IN(arena);
	struct str text, rest, word;
	size_t longest = 0;

	(void)state;
	mail_words_format(&out, STR("caf\xc3\xa9 (x)"), "utf-8");
	assert_str(buf_str(&out), "=?utf-8?q?caf=C3=A9_=28x=29?=");
	buf_clear(&out);
	mail_words_format(&out, STR("plain, (text)"), "utf-8");
	assert_str(buf_str(&out), "plain, (text)");
	for (int i = 0; i < 100; i++)
		buf_text(&longer, "\xe2\x82\xac x");
	for (int i = 0; i < 200; i++)
		buf_char(&longer, 'x');
	text = buf_str(&longer);
	buf_clear(&out);
	mail_words_format(&out, text, "utf-8");
	rest = buf_str(&out); /* limit: MAIL_WORD_MOST */
	while ((word = str_take_word(&rest)).len > 0) {
		assert_true(word.len <= MAIL_WORD_MOST);
		longest = word.len > longest ? word.len : longest;
	}
	assert_int_equal(longest, MAIL_WORD_MOST);
	word = mail_words_decode(arena, buf_str(&out));
	assert_true(str_eq(word, text));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(encodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
