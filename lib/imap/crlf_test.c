#include "imap/crlf.h"

#include "base/buf.h"
#include "base/test.h"

#include <stdlib.h>

static const struct {
	const char *in, *out;
} texts[] = {
	{ "", "" },
	{ "\n", "\r\n" },
	{ "\r\n", "\r\n" },
	{ "\r", "\r" },
	{ "a", "a" },
	{ "a\nb", "a\r\nb" },
	{ "a\r\nb\n", "a\r\nb\r\n" },
	{ "\n\n\r\n\n", "\r\n\r\n\r\n\r\n" },
	{ "\r\r\n\r", "\r\r\n\r" },
	{ "0123456789abcdef\n0123456789abcde\r\n\nfghi",
		"0123456789abcdef\r\n0123456789abcde\r\n\r\nfghi" },
};

static void convert(struct str text, size_t room, struct buf *out)
{
	char piece[100];
	size_t len;

	while ((len = imap_crlf_take(&text, piece, room)) > 0)
		buf_add(out, str_of(piece, len));
	assert_int_equal(text.len, 0);
}

static void ends_lines_with_crlf(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct str in = str_from(texts[i].in);

		assert_int_equal(imap_crlf_octets(in), strlen(texts[i].out));
		for (size_t room = 4; room < 50; room++) {
			auto_buf struct buf out = { 0 };

			convert(in, room, &out);
			assert_str(buf_str(&out), texts[i].out);
		}
	}
}

/* Octet by octet. */
static void plainly(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
			buf_char(out, '\r');
		buf_char(out, in.p[i]);
	}
}

static void as_octet_by_octet(void **state)
{
	static const char some[] = "\r\n\nab";
	static char text[20000];

	(void)state;
	for (size_t len = 1; len < sizeof(text); len += 1 + len / 7) {
		auto_buf struct buf plain = { 0 }, out = { 0 };

		for (size_t i = 0; i < len; i++)
			text[i] = some[(size_t)rand() % (sizeof(some) - 1)];
		plainly(str_of(text, len), &plain);
		convert(str_of(text, len), 4 + len % 96, &out);
		assert_int_equal(imap_crlf_octets(str_of(text, len)),
			plain.len);
		assert_true(str_eq(buf_str(&out), buf_str(&plain)));
	}
}

/* More than a lane of the sum can count. */
static void only_line_ends(void **state)
{
	static char text[10000];

	(void)state;
	memset(text, '\n', sizeof(text));
	assert_int_equal(imap_crlf_octets(str_of(text, sizeof(text))),
		2 * sizeof(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_lines_with_crlf),
		cmocka_unit_test(as_octet_by_octet),
		cmocka_unit_test(only_line_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
