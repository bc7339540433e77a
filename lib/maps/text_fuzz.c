/* Sources of postmap, postalias and texthash:, and lines of postmap -i. */
#include "maps/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A slice of the text, or of the arena: all of it can be read. */
static void read_entry(struct arena *arena, const struct text_entry *entry)
{
	(void)arena_copy(arena, entry->text);
	if (entry->fault != TEXT_FINE && entry->fault != TEXT_IS_ALIAS)
		return;
	(void)arena_copy(arena, entry->key);
	(void)arena_copy(arena, entry->value);
	if (entry->value.len == 0)
		panic("a value that is empty");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str text = str_of(data, size), line, key, value;
	struct text_entry entry;
	struct main_cf in;

	in = text_open(text);
	while (text_take_table(arena, &in, &entry))
		read_entry(arena, &entry);
	in = text_open(text);
	while (text_take_alias(arena, &in, &entry))
		read_entry(arena, &entry);
	while (str_take_line(&text, &line)) {
		(void)text_parse_table(line, &key, &value);
		(void)text_parse_alias(arena, line, &key, &value);
	}
	return 0;
}
