#include "base/json.h"

#include "base/test.h"

static const struct {
	struct str in, out;
} strings[] = {
	{ STR(""), STR("\"\"") },
	{ STR("plain"), STR("\"plain\"") },
	{ STR("say \"no\" to C:\\"), STR("\"say \\\"no\\\" to C:\\\\\"") },
	{ STR("a\tb\nc\0d"), STR("\"a\\u0009b\\u000ac\\u0000d\"") },
	{ STR("a\x7f""b"), STR("\"a\x7f""b\"") }, /* RFC 8259 7: unescaped */
	{ STR("gr\xc3\xbc\xc3\x9f"), STR("\"gr\xc3\xbc\xc3\x9f\"") },
	{ STR("\xf0\x9f\x93\xac"), STR("\"\xf0\x9f\x93\xac\"") },
	/* not UTF-8: a lone octet, a cut character, too long a form */
	{ STR("a\xe4z"), STR("\"a?z\"") },
	{ STR("a\xc3"), STR("\"a?\"") },
	{ STR("\xc0\xaf"), STR("\"\?\?\"") },
	/* longer than the eight octets that are looked at together */
	{ STR("0123456789abcdef\"0123456789"),
		STR("\"0123456789abcdef\\\"0123456789\"") },
};

static void assert_same(struct str got, struct str wanted)
{
	assert_int_equal(got.len, wanted.len);
	assert_memory_equal(got.p ? got.p : "", wanted.p, wanted.len);
}

static void escapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		auto_buf struct buf out = { 0 }, inside = { 0 };

		json_format(&out, strings[i].in);
		assert_same(buf_str(&out), strings[i].out);
		json_escape_format(&inside, strings[i].in);
		assert_same(buf_str(&inside),
			str_of(strings[i].out.p + 1, strings[i].out.len - 2));
	}
}

/* Whatever stands at whichever place: nothing that needs an escape passes. */
static void knows_the_usual(void **state)
{
	char octets[24];

	(void)state;
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < sizeof(octets); at++) {
			bool usual = c >= ' ' && c < 0x7f && c != '"' &&
				c != '\\';
			size_t len;

			memset(octets, 'x', sizeof(octets));
			octets[at] = (char)c;
			len = json_usual_length(
				str_of(octets, sizeof(octets)));
			assert_true(usual ? len == sizeof(octets) :
					    len <= at);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes),
		cmocka_unit_test(knows_the_usual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
