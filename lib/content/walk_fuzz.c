/*
 * Any content under tables that change some lines: what comes out is no longer
 * than what went in and the tables can add, and a second walk of unchanged
 * content copies nothing.
 */
#include "content/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum check_result judge(void *context, enum check_kind kind,
	struct str line, struct str *text)
{
	(void)context;
	(void)kind;
	*text = STR("X: y");
	if (line.len % 5 == 4)
		return CHECK_STOP;
	return (enum check_result)(line.len % 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(data, size), rest = in;
	struct check_table tables[CHECK_KINDS];
	struct buf out = BUF_IN(arena);
	struct mail_header header;
	static const struct conf *conf;
	struct walk walk = { .arena = arena, .judge = judge };

	if (!conf)
		conf = conf_for_test(arena_new(0), NULL);
	for (size_t i = 0; i < CHECK_KINDS; i++)
		tables[i] = (struct check_table){ "fuzz",
			STR("inline:{a=b}") };
	walk.conf = conf;
	walk.checks = checks_open(arena, conf, tables);
	while (mail_header_take(&rest, &header))
		if (walk_field(&walk, &header, &out))
			buf_add(&out, header.raw);
	if (walk_parts(&walk, in).len > 8 * in.len + 8)
		__builtin_trap();
	arena_free(arena);
	return 0;
}
