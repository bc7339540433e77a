#include "verify/entry.h"

#include "base/test.h"

static const struct {
	const char *in;
	enum probe_result result;
	int64_t probed_s, updated_s;
	const char *text; /* NULL: refused */
} values[] = {
	{ "0:0:1764430000:250 2.1.5 Ok", PROBE_DELIVERABLE, 0, 1764430000,
		"250 2.1.5 Ok" },
	{ "2:5:7:host a[192.0.2.1]:25 said: 550 x", PROBE_UNDELIVERABLE, 5, 7,
		"host a[192.0.2.1]:25 said: 550 x" },
	{ "1:253402300799:0:", PROBE_DEFERRED, 253402300799, 0, "" },
	{ "3:1:0:x", PROBE_UNKNOWN, 1, 0, "x" },
	{ "4:0:0:x" },              /* no such status */
	{ "0:253402300800:0:x" },   /* too late */
	{ "0:0:18446744073709551616:x" },
	{ "0:0:0" },
	{ "0:-1:0:x" },
	{ "0::0:x" },
	{ " 0:0:0:x" },
	{ "" },
};

static void parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct entry entry;
		bool good = entry_parse(str_from(values[i].in), &entry);

		assert_int_equal(good, values[i].text != NULL);
		if (!good)
			continue;
		assert_int_equal(entry.result, values[i].result);
		assert_int_equal(entry.probed_s, values[i].probed_s);
		assert_int_equal(entry.updated_s, values[i].updated_s);
		assert_str(entry.text, values[i].text);
	}
}

static void formats_what_it_parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		auto_buf struct buf out = { 0 };
		struct entry entry;

		if (!entry_parse(str_from(values[i].in), &entry))
			continue;
		entry_format(&out, &entry);
		assert_str(buf_str(&out), values[i].in);
	}
}

static void keeps_text_short_and_on_one_line(void **state)
{
	auto_buf struct buf out = { 0 };
	char text[ENTRY_TEXT_MOST + 10];
	struct entry entry = { .text = { text, sizeof(text) } };

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "a\r\nb\tc", 6);
	entry_format(&out, &entry);
	assert_true(str_starts(buf_str(&out), STR("0:0:0:a  b c")));
	assert_int_equal(out.len, strlen("0:0:0:") + ENTRY_TEXT_MOST);
	assert_true(entry_parse(buf_str(&out), &entry));
	assert_int_equal(entry.text.len, ENTRY_TEXT_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(formats_what_it_parses),
		cmocka_unit_test(keeps_text_short_and_on_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
