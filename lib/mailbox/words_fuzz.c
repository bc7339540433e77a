/*
 * Rows of the search index that were damaged, and words of any text.
 */
#include "mailbox/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static void take(void *context, struct words_list list)
{
	uint64_t bits[4] = { 0 };

	words_list_add(*(const struct str *)context, list.at, bits, 250);
}

static bool put(void *context, enum words_place place, bool is_list,
	uint32_t block, struct str row)
{
	(void)place;
	(void)block;
	words_find(row, STR("a"), WORDS_BEGINS, take, context);
	return !is_list || row.len > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct words_builder *builder = words_new();
	struct str in = str_of(octets, len), rest = in, word;
	struct words_list list;
	enum words_match match;

	words_find(in, STR("a"), WORDS_CONTAINS, take, &in);
	while (words_take(&rest, &word, &list))
		take(&in, list);
	rest = in;
	while (words_needle_take(&rest, in, &word, &match))
		words_find(in, word, match, take, &in);
	words_begin(builder);
	words_add(builder, WORDS_BODY, in);
	if (!words_write(builder, put, &in))
		__builtin_trap();
	words_free(builder);
	return 0;
}
