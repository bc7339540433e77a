#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/maildrop.h"
#include "queue/maildrop_file.h"

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

/* What pickup would read under another's name, or wait for. */
static void only_plain_files_are_taken(void **state)
{
	static const char *const others[] = { "link", "second", "pipe",
		"folder", "none" };
	char folder[] = "/tmp/posthorn-maildrop.XXXXXX";
	struct stat st;
	int dir, fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	fd = openat(dir, "file", O_CREAT | O_WRONLY, 0644);
	assert_true(fd >= 0);
	close(fd);
	fd = maildrop_open_file(dir, "file", &st);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(linkat(dir, "file", dir, "second", 0), 0);
	assert_int_equal(symlinkat("file", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "pipe", 0644), 0);
	assert_int_equal(mkdirat(dir, "folder", 0755), 0);
	assert_int_equal(maildrop_open_file(dir, "file", &st), -1);
	for (size_t i = 0; i < COUNT(others); i++) {
		bool is_folder = strcmp(others[i], "folder") == 0;

		assert_int_equal(maildrop_open_file(dir, others[i], &st), -1);
		(void)!unlinkat(dir, others[i], is_folder ? AT_REMOVEDIR : 0);
	}
	assert_int_equal(unlinkat(dir, "file", 0), 0);
	close(dir);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_formatted_is_parsed),
		cmocka_unit_test(malformed_lines_are_refused),
		cmocka_unit_test(only_plain_files_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
