#include "agent/mbox_text.h"

#include "base/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
	const char *pieces[3];
	const char *text;
} quotes[] = {
	{ { "From a\n", "b" }, ">From a\nb" },
	{ { "x From a\nFrom b\n" }, "x From a\n>From b\n" },
	{ { "a\n", "From b\n" }, "a\n>From b\n" },
	{ { ">From a\n" }, ">From a\n" },
};

static void from_lines_are_quoted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(quotes); i++) {
		struct buf out = { 0 };
		bool at_start = true;

		for (size_t k = 0; k < 3 && quotes[i].pieces[k]; k++)
			mbox_quote(&out, str_from(quotes[i].pieces[k]),
				&at_start);
		assert_str(buf_str(&out), quotes[i].text);
		buf_free(&out);
	}
}

static int open_file(void)
{
	char name[] = "/tmp/posthorn-mbox-text-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static struct str whole(struct arena *arena, const struct content *content)
{
	struct mbox_text text;
	struct buf all = BUF_IN(arena);
	struct str block;

	mbox_text_open(&text, arena, content, STR("Head: 1\n"));
	do {
		assert_true(mbox_text_next(&text, &block));
		buf_add(&all, block);
	} while (block.len > 0);
	return buf_str(&all);
}

/* The same, in memory or read in blocks from a file, with "From " lines at
 * every place of a block's end. */
static void blocks_make_no_difference(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 8; shift++) {
		auto_arena struct arena *arena = arena_new(0);
		struct buf text = BUF_IN(arena);
		auto_close int fd = open_file();
		struct content small = { .fd = -1 }, large = { .fd = fd };

		buf_text(&text, "Id: 1\n\n");
		while (text.len < 64 * 1024 - 12 + shift)
			buf_char(&text, 'x');
		for (int i = 0; i < 20000; i++)
			buf_text(&text, "\nFrom x");
		small.head = buf_str(&text);
		small.size = large.size = large.file_size = text.len;
		assert_true(fd_write_all(fd, text.p, text.len));
		assert_true(str_eq(whole(arena, &small),
			whole(arena, &large)));
	}
}

static const struct {
	const char *file;
	enum mbox_found found;
	off_t at;
} finds[] = {
	{ "", MBOX_ABSENT, 0 },
	{ "From a\nHead: 1\nId: 1\n\nx\n\n", MBOX_WHOLE, 0 },
	{ "From a\nHead: 1\nId: 1\n\nx\n\nFrom b\n\n", MBOX_WHOLE, 0 },
	{ "From b\n\nFrom a\nHead: 1\nId: 1\n\nx\n\n", MBOX_WHOLE, 8 },
	{ "From a\nHead: 1\nId: 1\n\nx\n", MBOX_PART, 0 },
	{ "From a\nHead: 1\nId: 1\n", MBOX_PART, 0 },
	{ "From a\nHead: 1\nId: 1", MBOX_ABSENT, 0 },
	{ "From a\nHead: 1\nId: 1\n\nX\n", MBOX_ABSENT, 0 },
	{ "From a\nHead: 1\nId: 1\n\nFrom b\n\n", MBOX_ABSENT, 0 },
	{ ">From a\nHead: 1\nId: 1\n\nx\n\n", MBOX_ABSENT, 0 },
	{ "From a", MBOX_ABSENT, 0 },
};

static void finds_it(void **state)
{
	const struct content content = { .head = STR("Id: 1\n\nx\n"),
		.fd = -1, .size = 9 };

	(void)state;
	for (size_t i = 0; i < COUNT(finds); i++) {
		auto_arena struct arena *arena = arena_new(0);
		struct str text = str_from(finds[i].file);
		auto_close int fd = open_file();
		enum mbox_found found;
		off_t at;

		assert_true(fd_write_all(fd, text.p, text.len));
		assert_true(mbox_text_find(arena, &content, STR("Head: 1\n"),
			fd, (off_t)text.len, &found, &at));
		assert_int_equal(found, finds[i].found);
		if (found != MBOX_ABSENT)
			assert_int_equal(at, finds[i].at);
	}
}

/* Among others, across the blocks that the file is read in; too far back it is
 * not looked for. */
static void finds_it_far_back(void **state)
{
	const struct content content = { .head = STR("Id: 1\n\nx\n"),
		.fd = -1, .size = 9 };
	struct str it = STR("From a\nHead: 1\nId: 1\n\nx\n\n");
	struct str others = STR("From b\nHead: 1\nId: 2\n\ny\n\n");

	(void)state;
	for (off_t before = 65450; before < 65620; before += 7) {
		auto_arena struct arena *arena = arena_new(0);
		auto_close int fd = open_file();
		enum mbox_found found;
		off_t at;

		assert_int_equal(pwrite(fd, "\n", 1, before - 1), 1);
		assert_int_equal(pwrite(fd, it.p, it.len, before), it.len);
		assert_int_equal(pwrite(fd, others.p, others.len,
					 before + (off_t)it.len),
			others.len);
		assert_true(mbox_text_find(arena, &content, STR("Head: 1\n"),
			fd, before + 200, &found, &at));
		assert_int_equal(found, MBOX_WHOLE);
		assert_int_equal(at, before);
		assert_true(mbox_text_find(arena, &content, STR("Head: 1\n"),
			fd, before + 5 * 1024 * 1024, &found, &at));
		assert_int_equal(found, MBOX_ABSENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_lines_are_quoted),
		cmocka_unit_test(blocks_make_no_difference),
		cmocka_unit_test(finds_it),
		cmocka_unit_test(finds_it_far_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
