#include "mailbox/arrival.h"

#include <string.h>

#include "base/crc.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* What was read is written so that it is read again as the same. */
static void check(struct arena *arena, const struct arrival_record *first,
	uint64_t nonce)
{
	const struct arrival_head head = { .nonce = nonce,
		.sequence = first->sequence };
	struct buf out = BUF_IN(arena);
	struct arrival_reading r;
	struct arrival_record second;

	arrival_record_format(&out, nonce, first);
	if (out.len != arrival_record_octets(first->mailbox.len, first->items,
			first->count))
		__builtin_trap();
	arrival_reading_begin(&r, buf_str(&out), &head);
	if (!arrival_record_take(arena, &r, &second) ||
		second.count != first->count ||
		!str_eq(second.mailbox, first->mailbox))
		__builtin_trap();
	for (size_t i = 0; i < first->count; i++)
		if (second.items[i].uid != first->items[i].uid ||
			!str_eq(second.items[i].name, first->items[i].name) ||
			!str_eq(second.items[i].text, first->items[i].text))
			__builtin_trap();
}

static void put(char *at, uint64_t value, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		at[i] = (char)(value >> 8 * i & 0xff);
}

/* What no dice find: that it is a record of that number, and its sum. */
static struct str made_good(struct arena *arena, const uint8_t *octets,
	size_t len)
{
	enum { BEFORE_CRC = 44, BEFORE_MAILBOX = 48 };
	char *p = arena_cstr(arena, str_of(octets, len));
	struct str all = str_of(p, len);

	if (len < BEFORE_MAILBOX)
		return all;
	memcpy(p, "PHrecord", 8);
	put(p + 8, 1, 8);
	put(p + 16, 1, 8);
	put(p + 24, len, 4);
	put(p + BEFORE_CRC, crc32c(crc32c(0, str_first(all, BEFORE_CRC)),
		str_skip(all, BEFORE_MAILBOX)), 4);
	return all;
}

static void read_all(struct arena *arena, struct str ring,
	const struct arrival_head *head)
{
	struct arrival_reading r;
	struct arrival_record record;

	arrival_reading_begin(&r, ring, head);
	while (arrival_record_take(arena, &r, &record))
		check(arena, &record, head->nonce);
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct arena *arena = arena_new(0);
	struct arrival_head head = { .nonce = 1, .sequence = 1 };

	read_all(arena, made_good(arena, octets, len), &head);
	if (arrival_head_parse(str_of(octets, len), &head))
		read_all(arena, str_of(octets, len), &head);
	arena_free(arena);
	return 0;
}
