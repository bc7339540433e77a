#include "verify/entry.h"

static void put_time(struct buf *out, int64_t s)
{
	buf_u64(out, s > 0 ? (uint64_t)s : 0);
	buf_char(out, ':');
}

void entry_format(struct buf *out, const struct entry *entry)
{
	struct str text = str_first(entry->text, ENTRY_TEXT_MOST);

	buf_u64(out, entry->result);
	buf_char(out, ':');
	put_time(out, entry->probed_s);
	put_time(out, entry->updated_s);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		buf_char(out, c < 0x20 || c == 0x7f ? ' ' : text.p[i]);
	}
}

static bool take_number(struct str *in, uint64_t most, uint64_t *value)
{
	return str_take_u64(in, most, value) && str_take_char(in, ':');
}

bool entry_parse(struct str in, struct entry *entry)
{
	uint64_t result, probed, updated;

	if (!take_number(&in, PROBE_UNKNOWN, &result) ||
		!take_number(&in, ENTRY_TIME_MOST, &probed) ||
		!take_number(&in, ENTRY_TIME_MOST, &updated))
		return false;
	*entry = (struct entry){
		.result = (enum probe_result)result,
		.probed_s = (int64_t)probed,
		.updated_s = (int64_t)updated,
		.text = str_first(in, ENTRY_TEXT_MOST),
	};
	return true;
}
