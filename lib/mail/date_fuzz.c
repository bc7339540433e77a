#include "mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct buf out = BUF_IN(arena);
	struct mail_date date;

	if (mail_date_parse(in, &date))
		mail_date_format_zone(&out, date);
	arena_free(arena);
	return 0;
}
