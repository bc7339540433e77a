#include "mailbox/arrival.h"

#include "base/crc.h"

enum {
	MAGIC = 8,
	HEAD = 40,         /* octets of a head that say something */
	RECORD = 48,       /* of a record before its mailbox */
	ITEM = 24,         /* of a message before its name */
	CRC = 4,
	COUNT_MOST = 4096, /* messages of a record */
	NAME_MOST = 255,
};

static const char head_magic[] = "PHheads1", record_magic[] = "PHrecord";

static void put(struct buf *out, uint64_t value, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		buf_char(out, (char)(value >> 8 * i & 0xff));
}

/* The caller has seen that they are there. */
static uint64_t take(struct str *in, size_t octets)
{
	uint64_t value = 0;

	for (size_t i = 0; i < octets; i++)
		value |= (uint64_t)(unsigned char)in->p[i] << 8 * i;
	*in = str_skip(*in, octets);
	return value;
}

/* Of all but the four octets in front of `fixed`. */
static uint32_t crc_of(struct str all, size_t fixed)
{
	return crc32c(crc32c(0, str_first(all, fixed - CRC)),
		str_skip(all, fixed));
}

static void fill(struct buf *out, size_t from)
{
	while ((out->len - from) % ARRIVAL_BLOCK != 0 && !out->failed)
		buf_char(out, 0);
}

/* ---- heads ---- */

void arrival_head_format(struct buf *out, const struct arrival_head *head)
{
	size_t from = out->len;

	buf_add(out, str_of(head_magic, MAGIC));
	put(out, head->nonce, 8);
	put(out, head->number, 8);
	put(out, head->sequence, 8);
	put(out, head->at, 4);
	put(out, crc32c(0, str_skip(buf_str(out), from)), CRC);
	fill(out, from);
}

static bool take_head(struct str in, struct arrival_head *head)
{
	struct str all = str_first(in, HEAD);

	if (in.len < HEAD || !str_take_prefix(&in, str_of(head_magic, MAGIC)))
		return false;
	head->nonce = take(&in, 8);
	head->number = take(&in, 8);
	head->sequence = take(&in, 8);
	head->at = (uint32_t)take(&in, 4);
	return take(&in, CRC) == crc_of(all, HEAD) &&
		head->at <= ARRIVAL_RING && head->at % ARRIVAL_BLOCK == 0;
}

bool arrival_head_parse(struct str file, struct arrival_head *head)
{
	struct arrival_head second;
	bool has_first, has_second;

	if (file.len < ARRIVAL_HEADS)
		return false;
	has_first = take_head(file, head);
	has_second = take_head(str_skip(file, ARRIVAL_BLOCK), &second);
	if (has_second && (!has_first || second.number > head->number))
		*head = second;
	return has_first || has_second;
}

/* ---- records ---- */

static size_t octets_of(size_t mailbox_len, const struct arrival *items,
	size_t count)
{
	size_t octets = RECORD + mailbox_len;

	for (size_t i = 0; i < count; i++)
		octets += ITEM + items[i].name.len + items[i].text.len;
	return octets;
}

size_t arrival_record_octets(size_t mailbox_len, const struct arrival *items,
	size_t count)
{
	size_t octets = octets_of(mailbox_len, items, count);

	return (octets + ARRIVAL_BLOCK - 1) / ARRIVAL_BLOCK * ARRIVAL_BLOCK;
}

static void put_item(struct buf *out, const struct arrival *item)
{
	put(out, (uint64_t)item->internal_s, 8);
	put(out, item->uid, 4);
	put(out, item->temporary_len, 4);
	put(out, item->name.len, 4);
	put(out, item->text.len, 4);
	buf_add(out, item->name);
	buf_add(out, item->text);
}

void arrival_record_format(struct buf *out, uint64_t nonce,
	const struct arrival_record *record)
{
	size_t from = out->len;
	uint32_t crc;

	buf_add(out, str_of(record_magic, MAGIC));
	put(out, nonce, 8);
	put(out, record->sequence, 8);
	put(out, octets_of(record->mailbox.len, record->items, record->count),
		4);
	put(out, record->uidvalidity, 4);
	put(out, record->count, 4);
	put(out, record->mailbox.len, 4);
	put(out, 0, 4);
	put(out, 0, CRC);
	buf_add(out, record->mailbox);
	for (size_t i = 0; i < record->count; i++)
		put_item(out, &record->items[i]);
	if (out->failed)
		return;
	crc = crc_of(str_skip(buf_str(out), from), RECORD);
	for (size_t i = 0; i < CRC; i++)
		out->p[from + RECORD - CRC + i] = (char)(crc >> 8 * i & 0xff);
	fill(out, from);
}

static bool is_name(struct str name)
{
	return name.len > 0 && name.len <= NAME_MOST && name.p[0] != '.' &&
		str_find_char(name, '/') == SIZE_MAX &&
		str_find_char(name, 0) == SIZE_MAX;
}

static bool take_item(struct str *in, struct arrival *item)
{
	size_t name_len, text_len;

	if (in->len < ITEM)
		return false;
	item->internal_s = (int64_t)take(in, 8);
	item->uid = (uint32_t)take(in, 4);
	item->temporary_len = (size_t)take(in, 4);
	name_len = (size_t)take(in, 4);
	text_len = (size_t)take(in, 4);
	if (name_len > in->len || text_len > in->len - name_len)
		return false;
	item->name = str_first(*in, name_len);
	item->text = str_first(str_skip(*in, name_len), text_len);
	*in = str_skip(*in, name_len + text_len);
	return item->uid > 0 && is_name(item->name) &&
		item->temporary_len > 0 && item->temporary_len < name_len;
}

static bool take_items(struct arena *arena, struct str in, size_t count,
	struct arrival_record *record)
{
	if (count == 0 || count > COUNT_MOST || count > in.len / ITEM)
		return false;
	record->items = arena_array(arena, count, sizeof(*record->items));
	for (record->count = 0; record->count < count; record->count++)
		if (!take_item(&in, &record->items[record->count]))
			return false;
	return in.len == 0;
}

/* The record there; its octets. 0: there is none of that number. */
static size_t take_at(struct arena *arena, const struct arrival_reading *r,
	size_t at, struct arrival_record *record)
{
	struct str in = str_skip(r->ring, at), all = in;
	size_t octets, count, mailbox_len;

	if (in.len < RECORD ||
		!str_take_prefix(&in, str_of(record_magic, MAGIC)) ||
		take(&in, 8) != r->nonce || take(&in, 8) != r->sequence)
		return 0;
	octets = (size_t)take(&in, 4);
	record->uidvalidity = (uint32_t)take(&in, 4);
	count = (size_t)take(&in, 4);
	mailbox_len = (size_t)take(&in, 4);
	take(&in, 4);
	if (octets < RECORD || octets > all.len ||
		mailbox_len > octets - RECORD)
		return 0;
	all = str_first(all, octets);
	if (take(&in, CRC) != crc_of(all, RECORD))
		return 0;
	in = str_skip(all, RECORD);
	record->sequence = r->sequence;
	record->mailbox = str_first(in, mailbox_len);
	if (str_find_char(record->mailbox, 0) != SIZE_MAX ||
		!take_items(arena, str_skip(in, mailbox_len), count, record))
		return 0;
	return (octets + ARRIVAL_BLOCK - 1) / ARRIVAL_BLOCK * ARRIVAL_BLOCK;
}

void arrival_reading_begin(struct arrival_reading *r, struct str ring,
	const struct arrival_head *head)
{
	*r = (struct arrival_reading){ .ring = ring, .nonce = head->nonce,
		.sequence = head->sequence,
		.at = head->at > ring.len ? ring.len : head->at };
}

bool arrival_record_take(struct arena *arena, struct arrival_reading *r,
	struct arrival_record *record)
{
	size_t at = r->at, octets = take_at(arena, r, at, record);

	if (octets == 0 && at > 0) {
		at = 0;
		octets = take_at(arena, r, at, record);
	}
	if (octets == 0)
		return false;
	r->at = octets > r->ring.len - at ? r->ring.len : at + octets;
	r->sequence++;
	return true;
}
