/*
 * Looking in the search index (mailbox/text.h).
 */
#include "mailbox/segment.h"
#include "mailbox/store.h"

struct looking {
	struct index_txn *txn;
	struct mailbox *mailbox;
	struct arena *arena;
	struct str needle;
	uint32_t segment, messages;
	enum words_place place;
	uint64_t *bits;      /* of the word that is looked for */
	struct str lists;    /* the block used last */
	uint32_t block;
};

static size_t bit_words(uint32_t messages)
{
	return messages / 64 + 1;
}

static void add_list(void *context, struct words_list list)
{
	struct looking *l = context;

	if (l->block != list.block && !index_words_find(l->txn,
		l->mailbox->row.id, l->segment, segment_kind(l->place, true),
		list.block, &l->lists))
		return;
	l->block = list.block;
	words_list_add(l->lists, list.at, l->bits, l->messages);
}

static void find_word(struct looking *l, struct str word,
	enum words_match match, enum mailbox_text_field field)
{
	for (int place = 0; place < WORDS_PLACES; place++) {
		struct str block;

		if ((place == WORDS_HEADER && field == MAILBOX_TEXT_BODY) ||
			(place == WORDS_BODY &&
				field == MAILBOX_TEXT_HEADER))
			continue;
		l->place = (enum words_place)place;
		l->block = UINT32_MAX;
		for (uint32_t n = 0; index_words_find(l->txn,
			l->mailbox->row.id, l->segment,
			segment_kind(l->place, false), n, &block); n++)
			words_find(block, word, match, add_list, l);
	}
}

/* Messages that have all words of the needle. */
static uint64_t *find_words(struct looking *l, enum mailbox_text_field field)
{
	size_t count = bit_words(l->messages);
	uint64_t *all = NULL;
	struct str rest = l->needle, word;
	enum words_match match;

	while (words_needle_take(&rest, l->needle, &word, &match)) {
		l->bits = arena_array(l->arena, count, sizeof(*l->bits));
		find_word(l, word, match, field);
		for (size_t i = 0; all && i < count; i++)
			all[i] &= l->bits[i];
		if (!all)
			all = l->bits;
	}
	return all;
}

/* Messages whose kept field has it; those without kept fields may. */
static uint64_t *find_fields(struct looking *l,
	enum mailbox_text_field field, bool *is_sure)
{
	uint64_t *bits = arena_array(l->arena, bit_words(l->messages),
		sizeof(*bits));
	struct str rows, fields;

	if (!index_words_find(l->txn, l->mailbox->row.id, l->segment, SEGMENT_FIELDS,
		0, &rows))
		return NULL;
	for (uint32_t n = 0; n < l->messages && segment_fields_take(&rows, &fields);
		n++) {
		bool has = false;

		if (fields.len == MAILBOX_TEXT_FIELDS + 1 &&
			fields.p[MAILBOX_TEXT_FIELDS] == 0) {
			has = true;
			*is_sure = false;
		} else {
			for (int i = 0; i < (int)field; i++)
				str_take_until(&fields, 0);
			has = str_find(str_take_until(&fields, 0),
				l->needle) != SIZE_MAX;
		}
		if (has)
			bits[n / 64] |= (uint64_t)1 << n % 64;
	}
	return bits;
}

static bool add_hits(struct looking *l, const uint64_t *bits,
	struct mailbox_hits *hits, size_t *capacity)
{
	struct str uids;

	if (!index_words_find(l->txn, l->mailbox->row.id, l->segment, SEGMENT_UIDS, 0,
		&uids) || uids.len != l->messages * sizeof(uint32_t))
		return false;
	for (size_t i = 0; i < bit_words(l->messages); i++)
		for (uint64_t left = bits[i]; left; left &= left - 1) {
			size_t n = i * 64 + (size_t)__builtin_ctzll(left);
			uint32_t uid;

			if (n >= l->messages)
				break;
			memcpy(&uid, uids.p + n * sizeof(uid), sizeof(uid));
			arena_grow(l->arena, &hits->uids, capacity,
				hits->count + 1, sizeof(uid));
			hits->uids[hits->count++] = uid;
		}
	return true;
}

static bool find_in(struct looking *l, enum mailbox_text_field field,
	struct mailbox_hits *hits, size_t *capacity)
{
	const uint64_t *bits = field < MAILBOX_TEXT_FIELDS ?
		find_fields(l, field, &hits->is_sure) : find_words(l, field);

	return bits && add_hits(l, bits, hits, capacity);
}

bool mailbox_text_find(struct mailbox *mailbox, struct arena *arena,
	enum mailbox_text_field field, struct str needle,
	struct mailbox_hits *hits)
{
	struct looking l = { .mailbox = mailbox, .arena = arena,
		.needle = needle };
	struct segments all;
	size_t capacity = 0;
	bool ok;

	*hits = (struct mailbox_hits){ .is_sure =
		field < MAILBOX_TEXT_FIELDS ||
		(field != MAILBOX_TEXT_HEADER &&
			words_needle_is_sure(needle)) };
	if (needle.len == 0)
		return false;
	l.txn = index_begin(mailbox->store->index, false);
	if (!l.txn)
		return false;
	ok = segments_read(l.txn, mailbox->row.id, arena, &all);
	for (uint32_t i = 0; ok && i < all.is.count; i++) {
		l.segment = all.list[i].number;
		l.messages = all.list[i].messages;
		ok = l.messages <= SEGMENT_MOST + SEGMENT_MOST &&
			find_in(&l, field, hits, &capacity);
	}
	index_abort(l.txn);
	hits->up_to = all.is.up_to;
	return ok;
}

bool mailbox_hits_have(struct mailbox_hits *hits, uint32_t uid)
{
	if (hits->at > 0 && hits->at <= hits->count &&
		hits->uids[hits->at - 1] >= uid)
		hits->at = 0; /* a new round */
	while (hits->at < hits->count && hits->uids[hits->at] < uid)
		hits->at++;
	return hits->at < hits->count && hits->uids[hits->at] == uid;
}
