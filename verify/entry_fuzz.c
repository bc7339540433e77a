/*
 * A value of a table that somebody else may have written.
 */
#include "verify/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry entry, again;
	auto_buf struct buf out = { 0 };

	if (!entry_parse(str_of(data, size), &entry))
		return 0;
	entry_format(&out, &entry);
	if (!entry_parse(buf_str(&out), &again) ||
		again.result != entry.result ||
		again.updated_s != entry.updated_s ||
		again.text.len != entry.text.len)
		__builtin_trap();
	return 0;
}
