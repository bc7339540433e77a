#include "base/test.h"

#include "mail/transfer.h"

static const struct {
	enum mail_encoding encoding;
	const char *in, *out;
} cases[] = {
	{ MAIL_ENCODING_BASE64, "aGVs\r\nbG8=", "hello" },
	{ MAIL_ENCODING_BASE64, "aGVs!bG8=aGk=", "hellohi" },
	{ MAIL_ENCODING_QP, "a=3Db=\r\nc  \r\nd=", "a=bc\r\nd=" },
	{ MAIL_ENCODING_QP, "=ZZ=4", "=ZZ=4" },
	{ MAIL_ENCODING_QP, "x =20\n", "x  \n" },
	{ MAIL_ENCODING_QP, "soft=  \nbreak", "softbreak" },
	{ MAIL_ENCODING_QP, "==41", "=A" },
	{ MAIL_ENCODING_7BIT, "as it is=3D", "as it is=3D" },
};

/* In one piece, and octet by octet. */
static void decodes(void **state)
{
	struct arena *arena = arena_new(0);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step < 100; step += 98) {
			struct buf out = BUF_IN(arena);
			struct mail_decoder d;
			struct str in = str_from(cases[i].in);

			mail_decoder_init(&d, cases[i].encoding);
			for (; in.len > 0; in = str_skip(in, step))
				mail_decode(&d, str_first(in, step), &out);
			mail_decode_end(&d, &out);
			assert_str(buf_str(&out), cases[i].out);
		}
	arena_free(arena);
}

static void encodes(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena), back = BUF_IN(arena);
	struct mail_decoder d;
	struct str text = STR("From here .\n.dot \xc3\xbc=\n"
		"a long line a long line a long line a long line a long line "
		"a long line a long line\r\nno end");
	struct str rest, line;

	(void)state;
	mail_qp_format(&out, text);
	rest = buf_str(&out);
	while (str_take_line(&rest, &line))
		assert_true(line.len <= 76);
	mail_decoder_init(&d, MAIL_ENCODING_QP);
	mail_decode(&d, buf_str(&out), &back);
	mail_decode_end(&d, &back);
	assert_true(str_eq(buf_str(&back), text));
	buf_clear(&out);
	mail_base64_format(&out, STR("hello"), "\n");
	assert_str(buf_str(&out), "aGVsbG8=\n");
	arena_free(arena);
}

static void names(void **state)
{
	(void)state;
	assert_int_equal(mail_encoding_parse(STR(" (c) Base64 ")),
		MAIL_ENCODING_BASE64);
	assert_int_equal(mail_encoding_parse(STR("")), MAIL_ENCODING_7BIT);
	assert_int_equal(mail_encoding_parse(STR("x-uue")),
		MAIL_ENCODING_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(encodes),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
