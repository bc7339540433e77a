#include "base/str.h"

#include "base/test.h"

static const struct {
	const char *in;
	bool good;
	uint64_t value;
} numbers[] = {
	{ "0", true, 0 }, { "42", true, 42 }, { "100", true, 100 },
	{ "101" }, { "" }, { "-1" }, { "4x" },
	{ "99999999999999999999999" },
};

static void numbers_are_range_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		uint64_t value = 7;

		assert_int_equal(
			str_parse_u64(str_from(numbers[i].in), 100, &value),
			numbers[i].good);
		assert_int_equal(value, numbers[i].good ? numbers[i].value : 7);
	}
}

static void items_and_words(void **state)
{
	struct str in = STR(" a, b,,c "), item;

	(void)state;
	assert_true(str_take_item(&in, ", ", &item));
	assert_str(item, "a");
	assert_true(str_take_item(&in, ", ", &item));
	assert_str(item, "b");
	assert_true(str_take_item(&in, ", ", &item));
	assert_str(item, "c");
	assert_false(str_take_item(&in, ", ", &item));
	in = STR("  MAIL  FROM:<>");
	assert_str(str_take_word(&in), "MAIL");
	assert_str(in, " FROM:<>");
}

static void lines(void **state)
{
	struct str in = STR("one\r\n\ntwo"), line;

	(void)state;
	assert_true(str_take_line(&in, &line));
	assert_str(line, "one");
	assert_true(str_take_line(&in, &line));
	assert_str(line, "");
	assert_true(str_take_line(&in, &line));
	assert_str(line, "two");
	assert_false(str_take_line(&in, &line));
}

static void utf8(void **state)
{
	(void)state;
	assert_true(str_is_utf8(STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xaf")));
	assert_false(str_is_utf8(STR("\xc0\x80")));
	assert_false(str_is_utf8(STR("\xed\xa0\x80")));
	assert_false(str_is_utf8(STR("\xf4\x90\x80\x80")));
	assert_false(str_is_utf8(STR("\xc3")));
}

/* Equal is equal, wherever it stands and however long it is. */
static void hashes(void **state)
{
	static const char small[] = "xabcdefghijklmnopqrs";
	static const char large[] = "ABCDEFGHIJKLMNOPQRS";

	(void)state;
	for (size_t len = 0; len < sizeof(large); len++) {
		struct str a = str_of(small + 1, len), b = str_of(large, len);

		assert_int_equal(str_hash_nocase(a), str_hash_nocase(b));
		assert_int_equal(str_hash(a), str_hash_nocase(a));
		assert_true((str_hash(a) == str_hash(b)) == (len == 0));
		if (len > 0)
			assert_true(str_hash(a) !=
				str_hash(str_of(small + 1, len - 1)));
	}
	assert_int_equal(str_hash(STR_NONE), str_hash(STR("")));
	assert_true(str_hash(STR("a")) != str_hash(str_of("a\0", 2)));
}

/* Wherever the other octet stands, also where many are looked at at once. */
static void finds_what_is_not_ascii(void **state)
{
	char text[200];

	(void)state;
	memset(text, 0x7f, sizeof(text));
	for (size_t len = 0; len <= sizeof(text); len++) {
		assert_true(str_is_ascii(str_of(text, len)));
		for (size_t at = 0; at < len; at++) {
			text[at] = (char)0x80;
			assert_false(str_is_ascii(str_of(text, len)));
			text[at] = 0x7f;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_range_checked),
		cmocka_unit_test(items_and_words),
		cmocka_unit_test(lines),
		cmocka_unit_test(utf8),
		cmocka_unit_test(finds_what_is_not_ascii),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
