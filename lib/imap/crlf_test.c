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

/* How many dots were added. */
static size_t convert_with(size_t (*take)(struct imap_crlf *, char *, size_t),
	struct imap_crlf crlf, size_t room, struct buf *out)
{
	char piece[1000];
	size_t len;

	while ((len = take(&crlf, piece, room)) > 0) {
		assert_true(len <= room);
		buf_add(out, str_of(piece, len));
	}
	assert_int_equal(crlf.rest.len, 0);
	return crlf.added;
}

/* By both ways, which come to the same. */
static void convert_all(struct imap_crlf crlf, size_t room, struct buf *out)
{
	auto_buf struct buf anywhere = { 0 };
	size_t added = convert_with(imap_crlf_take, crlf, room, out);

	assert_int_equal(convert_with(imap_crlf_take_anywhere, crlf, room,
		&anywhere), added);
	assert_true(str_eq(buf_str(out), buf_str(&anywhere)));
}

static void convert(struct str text, size_t room, struct buf *out)
{
	convert_all(imap_crlf_of(text), room, out);
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

static const struct {
	const char *in, *out;
} dotted[] = {
	{ ".", ".." },
	{ "..", "..." },
	{ "a.b\n", "a.b\r\n" },
	{ ".\n.\r\n..a\n\n.", "..\r\n..\r\n...a\r\n\r\n.." },
	{ "\r.\n", "\r.\r\n" },
	{ "0123456789abcdef\n.123456789abcdef\n", "0123456789abcdef\r\n"
		"..123456789abcdef\r\n" },
};

static void dots_get_one_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dotted); i++)
		for (size_t room = 4; room < 50; room++) {
			struct imap_crlf crlf =
				imap_crlf_of(str_from(dotted[i].in));
			auto_buf struct buf out = { 0 };

			crlf.dots = true;
			convert_all(crlf, room, &out);
			assert_str(buf_str(&out), dotted[i].out);
		}
}

/* Octet by octet. */
static void plainly(struct str in, bool dots, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (dots && in.p[i] == '.' && (i == 0 || in.p[i - 1] == '\n'))
			buf_char(out, '.');
		if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
			buf_char(out, '\r');
		buf_char(out, in.p[i]);
	}
}

static void as_octet_by_octet(void **state)
{
	static const char some[] = "\r\n\nab.";
	static char text[20000];

	(void)state;
	for (size_t len = 1; len < sizeof(text); len += 1 + len / 50) {
		auto_buf struct buf plain = { 0 }, out = { 0 };
		auto_buf struct buf stuffed = { 0 }, dotted_out = { 0 };
		struct imap_crlf crlf;

		for (size_t i = 0; i < len; i++)
			text[i] = len % 3 && rand() % 8 ? 'x' :
				some[(size_t)rand() % (sizeof(some) - 1)];
		/* Some lines are longer than a lane. */
		if (len % 2)
			memset(text + len / 3, 'x', len / 3);
		plainly(str_of(text, len), false, &plain);
		convert(str_of(text, len), 4 + len % 900, &out);
		assert_int_equal(imap_crlf_octets(str_of(text, len)),
			plain.len);
		assert_true(str_eq(buf_str(&out), buf_str(&plain)));
		plainly(str_of(text, len), true, &stuffed);
		crlf = imap_crlf_of(str_of(text, len));
		crlf.dots = true;
		convert_all(crlf, 4 + len % 900, &dotted_out);
		assert_true(str_eq(buf_str(&dotted_out), buf_str(&stuffed)));
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
		cmocka_unit_test(dots_get_one_more),
		cmocka_unit_test(as_octet_by_octet),
		cmocka_unit_test(only_line_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
