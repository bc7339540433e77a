#include "imap/date.h"
#include "imap/format.h"
#include "imap/mutf7.h"
#include "imap/set.h"
#include "imap/take.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static void mutf7(struct arena *arena, struct str in)
{
	struct str utf8 = imap_mutf7_to_utf8(arena, in);

	/* One form only: there and back is the same. */
	if (!str_is_none(utf8) &&
		!str_eq(imap_mutf7_of_utf8(arena, utf8), in))
		abort();
	(void)imap_mutf7_of_utf8(arena, in);
}

static bool take_any(struct arena *arena, struct str *in)
{
	struct imap_flags flags;
	struct imap_set set;
	struct str s;
	int64_t number;
	uint64_t count;
	bool plus;

	(void)imap_literal_follows(*in, &count, &plus);
	return imap_take_flags(in, true, &flags) ||
		imap_date_time_take(in, &number) ||
		imap_date_take(in, &number) ||
		imap_set_take(arena, in, &set) ||
		imap_take_astring(arena, in, &s) ||
		imap_take_pattern(arena, in, &s) ||
		imap_take_nstring(arena, in, &s) || imap_take_tag(in, &s) ||
		imap_take_space(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct buf out = BUF_IN(arena);

	mutf7(arena, in);
	imap_string_format(&out, in);
	imap_astring_format(&out, in);
	while (take_any(arena, &in))
		;
	arena_free(arena);
	return 0;
}
