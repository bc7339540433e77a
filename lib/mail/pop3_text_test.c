#include "base/test.h"

#include "mail/pop3_text.h"

/* RFC 1939 3: 512 octets with CRLF; the indicator is the same in all. */
static void texts(void **state)
{
	(void)state;
	for (int t = 0; t < POP3_TEXTS; t++) {
		struct str english = str_from(pop3_text(POP3_ENGLISH, t));

		assert_true(str_is_ascii(english));
		for (int l = 0; l < POP3_LANGUAGES; l++) {
			struct str text = str_from(pop3_text(l, t));

			assert_true(str_is_utf8(text));
			assert_true(text.len < 510 && text.len > 0);
			assert_int_equal(text.p[0] == '-',
				english.p[0] == '-');
		}
	}
}

static const struct {
	const char *range, *reply; /* the beginning of it */
	enum pop3_language now;
} changes[] = {
	{ "de", "+OK de Die Sprache", POP3_GERMAN },
	{ "fr", "-ERR Diese Sprache", POP3_GERMAN },
	{ "", "+OK Die Sprachen sind:\r\nen English\r\nde Deutsch\r\n.\r\n",
		POP3_GERMAN },
	{ "EN", "+OK en The language", POP3_ENGLISH },
	{ "de-AT", "-ERR No such language", POP3_ENGLISH },
	{ "*", "+OK de Die Sprache", POP3_GERMAN },
};

static void lang(void **state)
{
	enum pop3_language language = POP3_ENGLISH;
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		buf_clear(&out);
		pop3_language_change(&out, str_from(changes[i].range),
			STR("de"), &language);
		assert_true(str_starts(buf_str(&out),
			str_from(changes[i].reply)));
		assert_int_equal(language, changes[i].now);
	}
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(lang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
