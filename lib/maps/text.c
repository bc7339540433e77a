#include "maps/text.h"

#include "base/buf.h"

struct main_cf text_open(struct str text)
{
	return (struct main_cf){ text, 1, true };
}

/* Octets up to the first blank outside quotes; SIZE_MAX: unbalanced. */
static size_t key_len(struct str line)
{
	bool quoted = false;

	for (size_t i = 0; i < line.len; i++) {
		if (line.p[i] == '\\' && i + 1 < line.len)
			i++;
		else if (line.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && ascii_is_blank((unsigned char)line.p[i]))
			return i;
	}
	return quoted ? SIZE_MAX : line.len;
}

enum text_fault text_parse_table(struct str line, struct str *key,
	struct str *value)
{
	size_t len = key_len(line);

	if (line.len > 0 && ascii_is_blank((unsigned char)line.p[0]))
		return TEXT_INDENTED;
	if (len == SIZE_MAX)
		return TEXT_UNBALANCED;
	*key = str_first(line, len);
	*value = str_trim(str_skip(line, len));
	if (value->len == 0)
		return TEXT_NO_VALUE;
	return key->len > 1 && key->p[key->len - 1] == ':' ? TEXT_IS_ALIAS
							    : TEXT_FINE;
}

bool text_take_table(struct arena *arena, struct main_cf *in,
	struct text_entry *entry)
{
	*entry = (struct text_entry){ 0 };
	if (!main_cf_take_line(arena, in, &entry->text, &entry->line))
		return false;
	entry->fault = text_parse_table(entry->text, &entry->key,
		&entry->value);
	return true;
}

/* The name up to the colon, without quotes; false: unbalanced or no colon. */
static enum text_fault take_name(struct arena *arena, struct str *line,
	struct str *key)
{
	struct buf out = BUF_IN(arena);
	bool quoted = false;

	for (size_t i = 0; i < line->len; i++) {
		char c = line->p[i];

		if (c == '\\' && i + 1 < line->len) {
			buf_char(&out, line->p[++i]);
		} else if (c == '"') {
			quoted = !quoted;
		} else if (c == ':' && !quoted) {
			*line = str_skip(*line, i + 1);
			*key = str_trim(buf_str(&out));
			return key->len > 0 ? TEXT_FINE : TEXT_NO_COLON;
		} else {
			buf_char(&out, c);
		}
	}
	return quoted ? TEXT_UNBALANCED : TEXT_NO_COLON;
}

enum text_fault text_parse_alias(struct arena *arena, struct str line,
	struct str *key, struct str *value)
{
	enum text_fault fault;

	if (line.len > 0 && ascii_is_blank((unsigned char)line.p[0]))
		return TEXT_INDENTED;
	fault = take_name(arena, &line, key);
	if (fault != TEXT_FINE)
		return fault;
	*value = str_trim(line);
	return value->len > 0 ? TEXT_FINE : TEXT_NO_VALUE;
}

bool text_take_alias(struct arena *arena, struct main_cf *in,
	struct text_entry *entry)
{
	*entry = (struct text_entry){ 0 };
	if (!main_cf_take_line(arena, in, &entry->text, &entry->line))
		return false;
	entry->fault = text_parse_alias(arena, entry->text, &entry->key,
		&entry->value);
	return true;
}
