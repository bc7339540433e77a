#include "maps/change.h"

static void add(struct buf *out, struct str text)
{
	buf_u64(out, text.len);
	buf_char(out, ':');
	buf_add(out, text);
	buf_char(out, ',');
}

void change_begin(struct buf *out, struct str table, unsigned flags)
{
	char letters[2];
	size_t count = 0;

	if (flags & BUILD_REPLACE)
		letters[count++] = 'r';
	if (flags & BUILD_NO_NUL)
		letters[count++] = 'n';
	add(out, table);
	add(out, str_of(letters, count));
}

void change_put(struct buf *out, struct str key, struct str value)
{
	add(out, STR("put"));
	add(out, key);
	add(out, value);
}

void change_delete(struct buf *out, struct str key)
{
	add(out, STR("delete"));
	add(out, key);
}

void change_end(struct buf *out)
{
	add(out, STR(""));
}

static bool take(struct str *in, struct str *text)
{
	struct str rest = *in;
	uint64_t len;

	if (!str_take_u64(&rest, CHANGE_REQUEST_MOST, &len) ||
		!str_take_char(&rest, ':') || len >= rest.len ||
		rest.p[len] != ',')
		return false;
	*text = str_first(rest, (size_t)len);
	*in = str_skip(rest, (size_t)len + 1);
	return true;
}

bool change_take(struct str *changes, struct change *change)
{
	struct str rest = *changes, verb;

	if (!take(&rest, &verb))
		return false;
	change->is_delete = str_is(verb, "delete");
	change->value = STR_NONE;
	if ((!change->is_delete && !str_is(verb, "put")) ||
		!take(&rest, &change->key) ||
		(!change->is_delete && !take(&rest, &change->value)))
		return false;
	*changes = rest;
	return true;
}

static bool parse_flags(struct str letters, unsigned *flags)
{
	*flags = 0;
	for (; letters.len > 0; letters = str_skip(letters, 1)) {
		if (letters.p[0] == 'r')
			*flags |= BUILD_REPLACE;
		else if (letters.p[0] == 'n')
			*flags |= BUILD_NO_NUL;
		else
			return false;
	}
	return true;
}

bool change_parse(struct str in, struct change_request *request)
{
	struct str letters, rest, end;
	struct change change;

	if (!take(&in, &request->table) || !take(&in, &letters) ||
		!parse_flags(letters, &request->flags))
		return false;
	request->changes = in;
	rest = in;
	while (change_take(&rest, &change))
		;
	return take(&rest, &end) && end.len == 0 && rest.len == 0;
}
