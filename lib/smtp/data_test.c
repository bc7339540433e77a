#include "base/test.h"

#include "smtp/data.h"

static const struct {
	const char *in, *out;
	const char *rest; /* behind the terminator; NULL: it is not there */
	enum smtp_newline newline;
	bool bare_lf;
} datas[] = {
	{ "a\r\nb\r\n.\r\nQUIT\r\n", "a\nb\n", "QUIT\r\n" },
	{ ".\r\n", "", "" },
	{ "..a\r\n..\r\n.\r\n", ".a\n.\n", "" },
	{ ".a\r\n.\r\n", "a\n", "" },
	/* smuggling: none of these ends the message */
	{ "a\n.\nMAIL\r\n.\r\n", "a\n\nMAIL\n", "", .bare_lf = true },
	{ "a\n.\r\nMAIL\r\n.\r\n", "a\n\nMAIL\n", "", .bare_lf = true },
	{ "a\r\n.\nMAIL\r\n.\r\n", "a\n\nMAIL\n", "", .bare_lf = true },
	{ "a\r.\r\nb\r\n.\r\n", "a .\nb\n", "" },
	{ "a\r.\rb\r\n.\r\n", "a . b\n", "" },
	{ "a\r\n.\rb\r\n.\r\n", "a\n b\n", "" },
	{ "a\r\n.\r\r\nb\r\n.\r\n", "a\n \nb\n", "" },
	{ "a\r\r\n.\r\n", "a \n", "" },
	{ "\n.\r\r\n\r\n.\r\n", "\n \n\n", "", .bare_lf = true },
	{ "a\n\r\n.\r\n", "a\n\n", "", .bare_lf = true },
	{ "a\r\n.", "a\n" },
	{ "a\r\n.\r", "a\n" },
	/* a script that knows no CR */
	{ "a\nb\n.\nQUIT", "a\nb\n", "QUIT", SMTP_NEWLINE_SAME, true },
	{ ".\nQUIT", "", "QUIT", SMTP_NEWLINE_SAME },
	{ "a\r\nb\n.\nMAIL\r\n.\r\n", "a\nb\n\nMAIL\n", "",
		SMTP_NEWLINE_SAME, true },
	{ "a\n.\r\nMAIL\r\n.\r\n", "a\n\nMAIL\n", "",
		SMTP_NEWLINE_SAME, true },
	/* the old way, when it was asked for */
	{ "a\n.\nb", "a\n", "b", SMTP_NEWLINE_ANY, true },
	{ "a\n.\r\nb", "a\n", "b", SMTP_NEWLINE_ANY, true },
	{ "a\r\n.\nb", "a\n", "b", SMTP_NEWLINE_ANY },
};

static void check(size_t i, size_t step)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct smtp_decoder d;
	struct str in = str_from(datas[i].in), piece = STR("");

	smtp_decoder_init(&d, datas[i].newline, false, false);
	while (in.len > 0) {
		size_t len;
		bool done;

		piece = str_first(in, step);
		len = piece.len;
		done = smtp_decode(&d, &piece, &out);
		in = str_skip(in, len - piece.len);
		assert_int_equal(done, d.is_done);
		if (done)
			break;
		assert_int_equal(piece.len, 0);
	}
	assert_str(buf_str(&out), datas[i].out);
	assert_int_equal(d.is_done, datas[i].rest != NULL);
	if (datas[i].rest)
		assert_str(in, datas[i].rest);
	assert_int_equal(d.bare_lf, datas[i].bare_lf);
	arena_free(arena);
}

static void ends_only_at_crlf_dot_crlf(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(datas); i++)
		for (size_t step = 1; step < 40; step++)
			check(i, step);
}

static void drops_nul_and_keeps_cr(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct str in = STR("a\0b\r\0\n.\0\rc\r\n");
	struct smtp_decoder d;

	(void)state;
	smtp_decoder_init(&d, SMTP_NEWLINE_NORMALIZE, true, false);
	assert_false(smtp_decode(&d, &in, &out));
	assert_str(buf_str(&out), "ab\r\n\rc\n");
	assert_int_equal(d.nuls, 3);
	arena_free(arena);
}

static void chunks(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct str one = STR("a\r\n.\r"), two = STR("\n.b\r\n.c\r");
	struct smtp_decoder d;

	(void)state;
	smtp_decoder_init(&d, SMTP_NEWLINE_NORMALIZE, false, true);
	assert_false(smtp_decode(&d, &one, &out));
	assert_false(smtp_decode(&d, &two, &out));
	smtp_decode_end(&d, &out);
	assert_str(buf_str(&out), "a\n.\n.b\n.c \n");
	arena_free(arena);
}

static const struct {
	const char *in, *out;
	size_t line_most, broken;
} texts[] = {
	{ "a\nb\n", "a\r\nb\r\n.\r\n" },
	{ "a", "a\r\n.\r\n" },
	{ "", ".\r\n" },
	{ ".\n..\n.a\n", "..\r\n...\r\n..a\r\n.\r\n" },
	{ "abcdef\ngh\n", "abcd\r\n ef\r\ngh\r\n.\r\n", 4, 1 },
	{ "abcd\n", "abcd\r\n.\r\n", 4, 0 },
	{ "a\rb\r\n\r.\n", "a b \r\n .\r\n.\r\n" },
	{ "a\n\nb\n.c\nd\re\nf\n\n", "a\r\n\r\nb\r\n..c\r\nd e\r\nf\r\n\r\n"
		".\r\n" },
	{ "ab\nabcde\n.cdef\ng\n", "ab\r\nabcd\r\n e\r\n..cd\r\n ef\r\ng"
		"\r\n.\r\n", 4, 2 },
	{ "abcdefghij\n", "abcd\r\n efg\r\n hij\r\n.\r\n", 4, 2 },
};

static void encodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t step = 1; step < 12; step++) {
			struct arena *arena = arena_new(0);
			struct buf out = BUF_IN(arena);
			struct str in = str_from(texts[i].in);
			struct smtp_encoder e = {
				.line_most = texts[i].line_most,
			};

			for (; in.len > 0; in = str_skip(in, step))
				smtp_encode(&e, str_first(in, step), &out);
			smtp_encode_end(&e, &out);
			assert_str(buf_str(&out), texts[i].out);
			assert_int_equal(e.broken, texts[i].broken);
			arena_free(arena);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_only_at_crlf_dot_crlf),
		cmocka_unit_test(drops_nul_and_keeps_cr),
		cmocka_unit_test(chunks),
		cmocka_unit_test(encodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
