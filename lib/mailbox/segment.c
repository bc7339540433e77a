#include "mailbox/segment.h"

#include "imap/charset.h"
#include "imap/fold.h"
#include "imap/match.h"
#include "mail/header.h"

bool segments_read(struct index_txn *txn, uint32_t mailbox,
	struct arena *arena, struct segments *all)
{
	struct str row;

	*all = (struct segments){ .is.next = 1 };
	if (!index_words_find(txn, mailbox, 0, 0, 0, &row))
		return true;
	if (row.len < sizeof(all->is))
		return false;
	memcpy(&all->is, row.p, sizeof(all->is));
	row = str_skip(row, sizeof(all->is));
	if (all->is.count > SEGMENTS_MOST ||
		row.len != all->is.count * sizeof(*all->list))
		return false;
	all->list = arena_array(arena, all->is.count + 1, sizeof(*all->list));
	if (row.len)
		memcpy(all->list, row.p, row.len);
	return true;
}

bool segments_write(struct index_txn *txn, uint32_t mailbox,
	const struct segments *all)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf row = BUF_IN(arena);

	buf_add(&row, str_of((const char *)&all->is, sizeof(all->is)));
	buf_add(&row, str_of((const char *)all->list,
		all->is.count * sizeof(*all->list)));
	return index_words_put(txn, mailbox, 0, 0, 0, buf_str(&row));
}

/* ---- fields ---- */

static const char *const field_names[MAILBOX_TEXT_FIELDS] = {
	"Subject", "From", "To", "Cc", "Bcc",
};

enum mailbox_text_field mailbox_text_field_of(struct str name)
{
	for (int i = 0; i < MAILBOX_TEXT_FIELDS; i++)
		if (str_is_nocase(name, field_names[i]))
			return (enum mailbox_text_field)i;
	return MAILBOX_TEXT_HEADER;
}

void segment_fields_format(struct arena *arena, struct str header,
	struct buf *out)
{
	size_t begin = out->len;
	bool ok = true;

	for (size_t i = 0; i < MAILBOX_TEXT_FIELDS; i++) {
		struct str rest = header;
		struct mail_header h;

		while (mail_header_take(&rest, &h)) {
			struct str value;
			size_t from = out->len;

			if (!str_is_nocase(h.name, field_names[i]))
				continue;
			value = imap_words_decode(arena,
				mail_header_unfold(arena, h.body));
			imap_fold_format(out, value);
			ok = ok && str_find_char(str_of(out->p + from,
				out->len - from), 0) == SIZE_MAX &&
				str_find_char(str_of(out->p + from,
					out->len - from), '\n') == SIZE_MAX;
			buf_char(out, '\n');
		}
		buf_char(out, 0);
	}
	if (ok && out->len - begin <= SEGMENT_FIELDS_MOST)
		return;
	out->len = begin;
	for (size_t i = 0; i <= MAILBOX_TEXT_FIELDS; i++)
		buf_char(out, 0);
}

bool segment_fields_take(struct str *rows, struct str *fields)
{
	uint32_t len;

	if (rows->len < sizeof(len))
		return false;
	memcpy(&len, rows->p, sizeof(len));
	*rows = str_skip(*rows, sizeof(len));
	if (len > rows->len)
		return false;
	*fields = str_first(*rows, len);
	*rows = str_skip(*rows, len);
	return true;
}

void segment_fields_add(struct buf *rows, struct str fields)
{
	uint32_t len = (uint32_t)fields.len;

	buf_add(rows, str_of((const char *)&len, sizeof(len)));
	buf_add(rows, fields);
}

/* ---- a message ---- */

struct taking {
	struct arena *arena;
	struct words_builder *words;
};

static bool take_piece(void *context, enum imap_text_place place,
	struct str utf8)
{
	struct taking *t = context;
	struct buf folded = BUF_IN(t->arena);

	imap_fold_format(&folded, utf8);
	words_add(t->words, place == IMAP_TEXT_HEADER ? WORDS_HEADER :
		WORDS_BODY, buf_str(&folded));
	return true;
}

void segment_take_message(struct arena *arena, struct str message,
	struct words_builder *words, struct buf *fields)
{
	const struct mime_part *root = mime_parse(arena, message);
	struct taking t = { arena, words };

	segment_fields_format(arena, str_first(str_skip(message,
		root->header_at), root->header_len), fields);
	imap_text_each(arena, message, root, take_piece, &t);
}

/* ---- sums ---- */

static uint64_t sum_of_octets(struct str octets, unsigned kind)
{
	uint64_t sum = 14695981039346656037u ^ kind; /* FNV-1a */

	for (size_t i = 0; i < octets.len; i++)
		sum = (sum ^ (unsigned char)octets.p[i]) * 1099511628211u;
	return sum;
}

struct summing {
	struct index_txn *txn;
	uint32_t mailbox, segment;
	uint64_t *sums;
	uint32_t count;
	uint64_t word; /* sum of the one that is read */
};

static void add_word(void *context, uint32_t number)
{
	struct summing *s = context;

	if (number < s->count)
		s->sums[number] += s->word;
}

static bool sum_words(struct summing *s, enum words_place place)
{
	struct str block, lists = STR_NONE, word;
	uint32_t have = UINT32_MAX;

	for (uint32_t n = 0; index_words_find(s->txn, s->mailbox, s->segment,
		segment_kind(place, false), n, &block); n++) {
		struct words_list list;

		while (words_take(&block, &word, &list)) {
			if (list.block != have && !index_words_find(s->txn,
				s->mailbox, s->segment,
				segment_kind(place, true), list.block, &lists))
				return false;
			have = list.block;
			s->word = sum_of_octets(word, (unsigned)place);
			words_list_each(lists, list.at, add_word, s);
		}
	}
	return true;
}

/* The segment's messages are behind those that were read before. */
static bool sum_segment(struct index_txn *txn, uint32_t mailbox,
	const struct segment *segment, struct arena *arena,
	struct segment_sums *all)
{
	struct summing s = { .txn = txn, .mailbox = mailbox,
		.segment = segment->number, .count = segment->messages };
	struct str uids, rows, fields;

	if (segment->messages > 2 * SEGMENT_MOST ||
		!index_words_find(txn, mailbox, segment->number, SEGMENT_UIDS,
			0, &uids) || uids.len != s.count * sizeof(uint32_t) ||
		!index_words_find(txn, mailbox, segment->number,
			SEGMENT_FIELDS, 0, &rows))
		return false;
	arena_grow(arena, &all->uids, &all->uid_capacity,
		all->count + s.count, sizeof(*all->uids));
	arena_grow(arena, &all->sums, &all->sum_capacity,
		all->count + s.count, sizeof(*all->sums));
	memcpy(all->uids + all->count, uids.p, uids.len);
	s.sums = all->sums + all->count;
	for (uint32_t i = 0; i < s.count; i++) {
		if (!segment_fields_take(&rows, &fields))
			return false;
		s.sums[i] = sum_of_octets(fields, WORDS_PLACES);
	}
	all->count += s.count;
	for (int place = 0; place < WORDS_PLACES; place++)
		if (!sum_words(&s, (enum words_place)place))
			return false;
	return true;
}

bool segment_sums_read(struct index_txn *txn, uint32_t mailbox,
	struct arena *arena, struct segment_sums *sums)
{
	struct segments all;

	*sums = (struct segment_sums){ 0 };
	if (!segments_read(txn, mailbox, arena, &all))
		return false;
	for (uint32_t i = 0; i < all.is.count; i++)
		if (!sum_segment(txn, mailbox, &all.list[i], arena, sums))
			return false;
	sums->up_to = all.is.up_to;
	return true;
}

static bool add_row(void *context, enum words_place place, bool is_list,
	uint32_t block, struct str octets)
{
	struct words_list list;
	uint64_t *sum = context;
	struct str word;

	(void)block;
	while (!is_list && words_take(&octets, &word, &list))
		*sum += sum_of_octets(word, (unsigned)place);
	return true;
}

uint64_t segment_sum_of(struct arena *arena, struct str message)
{
	struct words_builder *words = words_new();
	struct buf fields = BUF_IN(arena);
	uint64_t sum;

	words_begin(words);
	segment_take_message(arena, message, words, &fields);
	sum = sum_of_octets(buf_str(&fields), WORDS_PLACES);
	if (!words_write(words, add_row, &sum))
		sum = 0;
	words_free(words);
	return sum;
}
