#include "milter/fields.h"

#include "mail/header.h"

static void put(struct milter_fields *fields, size_t at,
	struct milter_field field)
{
	arena_grow(fields->arena, &fields->all, &fields->capacity,
		fields->count + 1, sizeof(*fields->all));
	memmove(&fields->all[at + 1], &fields->all[at],
		(fields->count - at) * sizeof(*fields->all));
	fields->all[at] = field;
	fields->count++;
}

void milter_fields_parse(struct arena *arena, struct str header,
	struct milter_fields *fields)
{
	bool has_ours = false;
	struct mail_header field;

	*fields = (struct milter_fields){ .arena = arena };
	while (mail_header_take(&header, &field)) {
		bool is_ours = !has_ours && mail_header_is(&field, "Received");

		has_ours |= is_ours;
		put(fields, fields->count, (struct milter_field){ field.raw,
			field.name, is_ours });
	}
}

void milter_fields_format(const struct milter_fields *fields, struct buf *out)
{
	for (size_t i = 0; i < fields->count; i++) {
		buf_add(out, fields->all[i].raw);
		if (!str_ends(fields->all[i].raw, STR("\n")))
			buf_char(out, '\n');
	}
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

struct str milter_field_value(const struct milter_field *field,
	bool with_space)
{
	struct str value = str_skip(field->raw, field->name.len);

	value = str_skip(value, str_find_char(value, ':') + 1);
	if (str_ends(value, STR("\n")))
		value = str_first(value, value.len - 1);
	if (str_ends(value, STR("\r")))
		value = str_first(value, value.len - 1);
	while (!with_space && value.len > 0 && is_space(value.p[0]))
		value = str_skip(value, 1);
	return value;
}

/* A CR in the middle of a line would be the end of one for others. */
static void put_line(struct buf *out, struct str line)
{
	while (str_ends(line, STR("\r")))
		line = str_first(line, line.len - 1);
	for (size_t i = 0; i < line.len; i++)
		buf_char(out, line.p[i] == '\r' ? ' ' : line.p[i]);
	buf_char(out, '\n');
}

struct str milter_field_make(struct arena *arena, struct str name,
	struct str value, bool with_space)
{
	struct buf out = BUF_IN(arena);
	struct str line;
	bool is_first = true;

	buf_add(&out, name);
	buf_text(&out, with_space ? ":" : ": ");
	while (str_take_line(&value, &line)) {
		if (!is_first && str_trim(line).len == 0)
			continue; /* would end the header */
		if (!is_first && !is_space(line.p[0]))
			buf_char(&out, '\t');
		put_line(&out, line);
		is_first = false;
	}
	if (is_first)
		buf_char(&out, '\n');
	return buf_str(&out);
}

void milter_fields_add(struct milter_fields *fields, struct str raw,
	struct str name)
{
	milter_fields_insert(fields, fields->count, raw, name);
}

void milter_fields_insert(struct milter_fields *fields, size_t at,
	struct str raw, struct str name)
{
	put(fields, at < fields->count ? at : fields->count,
		(struct milter_field){ raw, name, false });
}

size_t milter_fields_find(const struct milter_fields *fields, struct str name,
	size_t number)
{
	for (size_t i = 0; i < fields->count; i++)
		if (!fields->all[i].is_ours &&
			str_eq_nocase(fields->all[i].name, name) &&
			number-- <= 1)
			return i;
	return SIZE_MAX;
}

void milter_fields_replace(struct milter_fields *fields, size_t at,
	struct str raw, struct str name)
{
	fields->all[at].raw = raw;
	fields->all[at].name = name;
}

void milter_fields_remove(struct milter_fields *fields, size_t at)
{
	fields->count--;
	memmove(&fields->all[at], &fields->all[at + 1],
		(fields->count - at) * sizeof(*fields->all));
}
