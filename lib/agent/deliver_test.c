#include "agent/deliver.h"

#include "base/test.h"

#include <stdio.h>
#include <unistd.h>

static const struct {
	int64_t us;
	int decimals;
	const char *text;
} delays[] = {
	{ 0, 2, "0" }, { 83400, 2, "0.08" }, { 83400, 3, "0.083" },
	{ 1234567, 2, "1.2" }, { 12600000, 2, "13" }, { 100000, 2, "0.1" },
	{ 345000000, 2, "345" }, { 4000, 2, "0" }, { 4000, 6, "0.004" },
	{ 6000, 2, "0.01" }, { -5, 2, "0" }, { 999999, 2, "1" },
	{ 450000, 2, "0.45" },
};

static void delays_have_two_significant_digits(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(delays); i++) {
		struct buf out = { 0 };

		deliver_delay_format(&out, delays[i].us, delays[i].decimals);
		assert_str(buf_str(&out), delays[i].text);
		buf_free(&out);
	}
}

static struct str read_all(struct arena *arena, const struct content *content)
{
	struct content_reader reader;
	struct buf all = BUF_IN(arena);
	struct str octets;

	content_open(&reader, arena, content);
	do {
		assert_true(content_next(&reader, &octets));
		buf_add(&all, octets);
	} while (octets.len > 0);
	return buf_str(&all);
}

static void content_is_head_and_rest_of_the_file(void **state)
{
	struct arena *arena = arena_new(0);
	FILE *file = tmpfile();
	struct content content = { .head = STR("New: 1\n"), .skip = 7 };
	struct str header;

	(void)state;
	fputs("Old: 1\nB: 2\n\nbody\n", file);
	fflush(file);
	content.fd = fileno(file);
	content.file_size = 18;
	content.size = 18;
	assert_str(read_all(arena, &content), "New: 1\nB: 2\n\nbody\n");
	assert_true(content_header(arena, &content, 1000, &header));
	assert_str(header, "New: 1\nB: 2\n\n");
	/* limit: header_size_limit */
	assert_true(content_header(arena, &content, 13, &header));
	assert_str(header, "New: 1\nB: 2\n\n");
	assert_true(content_header(arena, &content, 12, &header));
	assert_str(header, "New: 1\nB: 2\n");
	assert_int_equal(ftruncate(content.fd, 10), 0);
	assert_false(content_header(arena, &content, 1000, &header));
	fclose(file);
	arena_free(arena);
}

/* Read in pieces: it is whole, and nothing of the body is in it. */
static void a_long_header_is_in_one_piece(void **state)
{
	static const struct str line = STR("Received: by mail.example.org\n");
	struct arena *arena = arena_new(0);
	FILE *file = tmpfile();
	struct content content = { .head = STR("") };
	struct buf wanted = BUF_IN(arena);
	struct str header;

	(void)state;
	while (wanted.len < 20000)
		buf_add(&wanted, line);
	buf_char(&wanted, '\n');
	fwrite(wanted.p, 1, wanted.len, file);
	fputs("body\n\nmore\n", file);
	fflush(file);
	content.fd = fileno(file);
	content.file_size = content.size = wanted.len + 11;
	assert_true(content_header(arena, &content, 100000, &header));
	assert_true(str_eq(header, buf_str(&wanted)));
	fclose(file);
	arena_free(arena);
}

static struct str read_behind(struct arena *arena,
	const struct content *content, struct str front, size_t *blocks)
{
	struct content_reader reader;
	struct buf all = BUF_IN(arena);
	struct str octets;

	*blocks = 0;
	assert_true(content_open_behind(&reader, arena, content, front, &octets));
	while (octets.len > 0) {
		buf_add(&all, octets);
		assert_true(content_next(&reader, &octets));
		++*blocks;
	}
	return buf_str(&all);
}

static void what_is_put_in_front_is_in_the_first_block(void **state)
{
	static const size_t sizes[] = { 0, 1, 100000, 128 * 1024, 300000 };
	struct content content = { .head = STR("B: 2\n"), .fd = -1, .size = 5 };
	size_t blocks;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct arena *arena = arena_new(0);
		struct buf wanted = BUF_IN(arena);
		FILE *file = tmpfile();

		buf_add(&wanted, STR("A: 1\nB: 2\n"));
		for (size_t k = 0; k < sizes[i]; k++)
			buf_char(&wanted, (char)('a' + k % 26));
		fputs("skip", file);
		fwrite(wanted.p + 10, 1, sizes[i], file);
		fflush(file);
		content.fd = fileno(file);
		content.skip = 4;
		content.size = 5 + sizes[i];
		assert_true(str_eq(read_behind(arena, &content, STR("A: 1\n"),
			&blocks), buf_str(&wanted)));
		assert_int_equal(blocks, i < 4 ? 1 : 3);
		content.size++; /* it was longer */
		assert_false(sizes[i] == 0 && content_open_behind(
			&(struct content_reader){ 0 }, arena, &content,
			STR(""), &(struct str){ 0 }));
		fclose(file);
		content.fd = -1;
		content.size = 5;
		assert_str(read_behind(arena, &content, STR("A: 1\n"),
			&blocks), "A: 1\nB: 2\n");
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_header_is_in_one_piece),
		cmocka_unit_test(what_is_put_in_front_is_in_the_first_block),
		cmocka_unit_test(delays_have_two_significant_digits),
		cmocka_unit_test(content_is_head_and_rest_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
