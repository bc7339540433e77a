/* The input as main.cf, as a value to be expanded, and as a list. */
#include "config/expand.h"
#include "config/list.h"
#include "config/main_cf.h"
#include "config/value.h"
#include "base/punycode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str find(void *context, struct str name)
{
	return name.len == 1 ? *(struct str *)context : STR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(0);
	struct str text = str_of(data, size), item, type, name;
	struct main_cf in = main_cf_of(text);
	struct main_cf_entry entry;
	struct expand expand = { .find = find, .context = &text };
	struct buf out = BUF_IN(arena);
	struct span span;

	while (main_cf_take(arena, &in, &entry))
		if (conf_span_parse(entry.value, 's', &span))
			continue;
	out.limit = 1 << 16;
	if (!expand_text(arena, &expand, &out, text))
		out.len = 0;
	while (list_take(&text, &item))
		if (!list_unbrace(&item) &&
			list_split_table(item, &type, &name))
			domain_to_ascii(arena, name);
	arena_free(arena);
	return 0;
}
