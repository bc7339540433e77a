#include "config/main_cf.h"

#include "base/buf.h"

static bool is_comment_or_empty(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static struct str without_tail(struct str line)
{
	while (line.len > 0 &&
		ascii_is_blank((unsigned char)line.p[line.len - 1]))
		line.len--;
	return line;
}

/* One physical line that says something; counts those it passes. */
static bool take_physical(struct main_cf *in, struct str *line, unsigned *at)
{
	while (str_take_line(&in->rest, line)) {
		*at = in->line++;
		if (!is_comment_or_empty(*line))
			return true;
	}
	return false;
}

static bool is_indented(struct str line)
{
	return line.len > 0 && ascii_is_blank((unsigned char)line.p[0]);
}

bool main_cf_take_line(struct arena *arena, struct main_cf *in,
	struct str *text, unsigned *line)
{
	struct main_cf ahead;
	struct buf joined = BUF_IN(arena);
	struct str more;
	unsigned at;

	if (!take_physical(in, text, line))
		return false;
	*text = without_tail(*text);
	for (ahead = *in; take_physical(&ahead, &more, &at) &&
		is_indented(more); *in = ahead) {
		if (joined.len == 0)
			buf_add(&joined, *text);
		if (in->keep_blanks) {
			buf_add(&joined, without_tail(more));
		} else {
			buf_char(&joined, ' ');
			buf_add(&joined, str_trim(more));
		}
		*text = buf_str(&joined);
	}
	return true;
}

enum main_cf_fault main_cf_parse(struct str text, struct str *name,
	struct str *value)
{
	size_t equals = str_find_char(text, '=');

	if (is_indented(text))
		return MAIN_CF_INDENTED;
	if (equals == SIZE_MAX)
		return MAIN_CF_NO_EQUALS;
	*name = str_trim(str_first(text, equals));
	*value = str_trim(str_skip(text, equals + 1));
	for (size_t i = 0; i < name->len; i++)
		if (ascii_is_blank((unsigned char)name->p[i]))
			return MAIN_CF_NO_EQUALS;
	return name->len > 0 ? MAIN_CF_FINE : MAIN_CF_NO_EQUALS;
}

bool main_cf_take(struct arena *arena, struct main_cf *in,
	struct main_cf_entry *entry)
{
	*entry = (struct main_cf_entry){ 0 };
	if (!main_cf_take_line(arena, in, &entry->text, &entry->line))
		return false;
	entry->fault = main_cf_parse(entry->text, &entry->name, &entry->value);
	return true;
}
