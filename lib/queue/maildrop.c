#include "queue/maildrop.h"

#include "base/encode.h"
#include "queue/submission.h"

enum value {
	VALUE_NONE,
	VALUE_TEXT,
	VALUE_NUMBER,
};

static const struct {
	const char *word;
	enum value value;
	uint64_t most; /* of a number */
} rows[] = {
	[MAILDROP_BEGIN] = { "posthorn-maildrop", VALUE_NUMBER, 1 },
	[MAILDROP_SENDER] = { "sender", VALUE_TEXT },
	[MAILDROP_NAME] = { "name", VALUE_TEXT },
	[MAILDROP_ENVID] = { "envid", VALUE_TEXT },
	[MAILDROP_RET] = { "ret", VALUE_NUMBER, DSN_RET_HDRS },
	[MAILDROP_NOTIFY] = { "notify", VALUE_NUMBER, 15 },
	[MAILDROP_ENCODING] = { "encoding", VALUE_TEXT },
	[MAILDROP_VERP] = { "verp", VALUE_TEXT },
	[MAILDROP_ORIG_ID] = { "orig-id", VALUE_TEXT },
	[MAILDROP_ORCPT] = { "orcpt", VALUE_TEXT },
	[MAILDROP_ONLY] = { "only", VALUE_NUMBER, 15 },
	[MAILDROP_FLAGS] = { "flags", VALUE_NUMBER, 31 },
	[MAILDROP_RECIPIENT] = { "recipient", VALUE_TEXT },
	[MAILDROP_CONTENT] = { "content", VALUE_NONE },
	[MAILDROP_CHUNK] = { "chunk", VALUE_NUMBER, MAILDROP_CHUNK_MOST },
	[MAILDROP_END] = { "end", VALUE_NONE },
};

void maildrop_text_format(struct buf *out, enum maildrop_kind kind,
	struct str text)
{
	buf_text(out, rows[kind].word);
	buf_char(out, ' ');
	xtext_format(out, text);
	buf_char(out, '\n');
}

void maildrop_number_format(struct buf *out, enum maildrop_kind kind,
	uint64_t number)
{
	buf_text(out, rows[kind].word);
	buf_char(out, ' ');
	buf_u64(out, number);
	buf_char(out, '\n');
}

void maildrop_word_format(struct buf *out, enum maildrop_kind kind)
{
	buf_text(out, rows[kind].word);
	if (kind == MAILDROP_BEGIN)
		buf_text(out, " 1");
	buf_char(out, '\n');
}

static bool parse_value(struct arena *arena, struct str value,
	struct maildrop_line *result)
{
	switch (rows[result->kind].value) {
	case VALUE_TEXT:
		result->text = xtext_parse(arena, value);
		return !str_is_none(result->text);
	case VALUE_NUMBER:
		return str_parse_u64(
			value, rows[result->kind].most, &result->number);
	case VALUE_NONE:
		break;
	}
	return value.len == 0;
}

bool maildrop_line_parse(struct arena *arena, struct str line,
	struct maildrop_line *result)
{
	struct str word = str_take_until(&line, ' ');

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!str_is(word, rows[i].word))
			continue;
		*result = (struct maildrop_line){
			.kind = (enum maildrop_kind)i,
		};
		return parse_value(arena, line, result);
	}
	return false;
}
