/*
 * What a filter wants in a header, whatever it is, leaves a header: up to the
 * first NUL the header, then for each change an octet, a name, NUL, a value,
 * NUL.
 */
#include "milter/fields.h"

#include "mail/header.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static struct str as_name(struct str text)
{
	size_t len = 0;

	while (len < text.len &&
		mail_header_is_name_char((unsigned char)text.p[len]))
		len++;
	return len ? str_first(text, len) : STR("X");
}

static void change(struct milter_fields *fields, unsigned how,
	struct str name, struct str value)
{
	struct str raw = milter_field_make(fields->arena, name, value,
		how & 64);
	size_t at = milter_fields_find(fields, name, how % 4);

	if (how < 64)
		milter_fields_insert(fields, how % 8, raw, name);
	else if (at == SIZE_MAX)
		milter_fields_add(fields, raw, name);
	else if (how & 128)
		milter_fields_remove(fields, at);
	else
		milter_fields_replace(fields, at, raw, name);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct buf out = BUF_IN(arena);
	struct milter_fields fields, again;

	milter_fields_parse(arena, str_take_until(&in, '\0'), &fields);
	while (in.len > 0) {
		unsigned how = (unsigned char)in.p[0];
		struct str name;

		in = str_skip(in, 1);
		name = as_name(str_take_until(&in, '\0'));
		change(&fields, how, name, str_take_until(&in, '\0'));
	}
	milter_fields_format(&fields, &out);
	milter_fields_parse(arena, buf_str(&out), &again);
	if (again.count != fields.count)
		abort();
	return 0;
}
