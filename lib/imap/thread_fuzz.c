/* The input is headers, each ended by an empty line. */
#include "imap/sort.h"
#include "imap/thread.h"
#include "mail/header.h"

enum {
	ITEMS_MOST = 200,
};

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct imap_thread_item *items =
		arena_array(arena, ITEMS_MOST, sizeof(*items));
	struct imap_thread_facts *facts =
		arena_array(arena, ITEMS_MOST, sizeof(*facts));
	struct imap_thread_names names = imap_thread_names_new();
	uint32_t count = 0;

	while (in.len > 0 && count < ITEMS_MOST) {
		size_t header = mail_header_length(in, NULL);
		struct imap_thread_item *item = &items[count];
		struct buf row = BUF_IN(arena);
		struct imap_digest digest;

		imap_digest_make(arena, str_first(in, header), &digest);
		imap_digest_format(&row, &digest);
		if (!imap_digest_parse(buf_str(&row), &digest))
			__builtin_trap();
		imap_thread_facts_of(arena, &names, &digest, &facts[count]);
		item->of = &facts[count];
		item->number = ++count;
		item->arrived_s = 100 - (int64_t)count;
		in = str_skip(in, header ? header : 1);
	}
	for (int kind = 0; kind <= IMAP_THREAD_REFS; kind++) {
		struct buf out = BUF_IN(arena);

		imap_thread_format(arena, &out, (enum imap_thread_kind)kind,
			items, count, &names);
	}
	imap_thread_names_free(&names);
	arena_free(arena);
	return 0;
}
