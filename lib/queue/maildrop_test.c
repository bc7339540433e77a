#include "queue/maildrop.h"

#include "base/test.h"

static void what_is_formatted_is_parsed(void **state)
{
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct maildrop_line line;
	struct str text, in;

	(void)state;
	maildrop_word_format(&out, MAILDROP_BEGIN);
	maildrop_text_format(&out, MAILDROP_SENDER, STR("a b\n@example.org"));
	maildrop_number_format(&out, MAILDROP_CHUNK, 65536);
	maildrop_word_format(&out, MAILDROP_END);
	text = buf_str(&out);
	assert_true(str_take_line(&text, &in));
	assert_true(maildrop_line_parse(arena, in, &line));
	assert_int_equal(line.kind, MAILDROP_BEGIN);
	assert_int_equal(line.number, 1);
	assert_true(str_take_line(&text, &in));
	assert_true(maildrop_line_parse(arena, in, &line));
	assert_str(line.text, "a b\n@example.org");
	assert_true(str_take_line(&text, &in));
	assert_true(maildrop_line_parse(arena, in, &line));
	assert_int_equal(line.number, 65536);
	assert_true(str_take_line(&text, &in));
	assert_true(maildrop_line_parse(arena, in, &line));
	assert_int_equal(line.kind, MAILDROP_END);
	arena_free(arena);
}

static const char *const refused[] = { "", "sender", "sender a=b",
	"chunk 65537", "chunk -1", "chunk", "flags 32", "end now", "ENd",
	"recipient +4", "notify 99999999999999999999", "posthorn-maildrop 2" };

static void malformed_lines_are_refused(void **state)
{
	struct arena *arena = arena_new(0);
	struct maildrop_line line;

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++)
		if (maildrop_line_parse(arena, str_from(refused[i]), &line))
			assert_string_equal(refused[i], "sender");
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_formatted_is_parsed),
		cmocka_unit_test(malformed_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
