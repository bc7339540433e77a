/*
 * Keys of strangers in queries: the first line is the template, the rest the
 * key. Quoted as in a filter, no octet that means something may be left.
 */
#include "base/base.h"

#include <stdlib.h>

#include "maps/filter.h"
#include "maps/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool quote(void *context, struct str text, struct buf *out)
{
	size_t before = out->len;

	(void)context;
	filter_quote(out, text);
	for (size_t i = before; i < out->len; i++)
		if (strchr("*()", out->p[i]))
			abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct template_quoting quoting = { quote, NULL };
	struct str in = str_of(data, size), template;
	struct arena *arena = arena_new(0);
	struct buf out = BUF_IN(arena), name = BUF_IN(arena);
	struct filter_url url;

	out.limit = 1 << 20;
	template = str_take_until(&in, '\n');
	(void)template_fault(template);
	(void)!template_format(template, in, STR_NONE, &quoting, &out);
	(void)!template_format(template, in, template, NULL, &out);
	filter_quote_name(&name, in);
	(void)!filter_url_parse(arena, in, &url);
	arena_free(arena);
	return 0;
}
