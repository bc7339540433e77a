#include "imap/date.h"
#include "imap/mutf7.h"
#include "imap/preview.h"
#include "imap/returns.h"
#include "imap/set.h"
#include "imap/sort.h"
#include "imap/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* What stands in commands beside strings and items, and in names. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	const struct str all = str_of(octets, len);
	struct str in = all, name;
	struct imap_returns returns;
	struct imap_set set;
	struct imap_sort sort;
	bool is_reply;
	int64_t when;

	if (imap_set_take(arena, &in, &set))
		imap_set_resolve(&set, 1000);
	in = all;
	(void)!imap_returns_take(&in, &returns);
	in = all;
	(void)!imap_sort_take(&in, &sort);
	in = all;
	(void)!imap_date_take(&in, &when);
	in = all;
	(void)!imap_date_time_take(&in, &when);
	name = imap_mutf7_to_utf8(arena, all);
	if (!str_is_none(name) && str_is_none(imap_mutf7_of_utf8(arena, name)))
		panic("a name that cannot be told to the client");
	(void)imap_subject_base(arena, all, &is_reply);
	(void)imap_preview(arena, all, mime_parse(arena, all));
	arena_free(arena);
	return 0;
}
