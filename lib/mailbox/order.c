/*
 * The members of an order, and their ranks by each key.
 */
#include "mailbox/order.h"

#include <stdlib.h>

#include "mailbox/store.h"

enum {
	GONE_MOST = 1000,   /* members that may be gone in any case */
	WORTH_WHILE = 4,    /* a part of the messages: make an order for it */
	MERGE_MOST = 8,     /* the same: of those that came, else all again */
	SCORES = UINT8_MAX + 1,
};

/* ---- members ---- */

static void drop_threads(struct order_threads *threads)
{
	if (threads->arena) {
		arena_free(threads->arena);
		imap_thread_names_free(&threads->names);
	}
	free(threads->of);
}

void mailbox_order_free(struct mailbox_order *order)
{
	if (!order)
		return;
	for (size_t i = 0; i < ORDER_KEYS; i++)
		free(order->keys[i].of);
	drop_threads(&order->threads);
	free(order->uids);
	free(order);
}

static bool is_of(const struct mailbox_order *order,
	const struct mailbox *mailbox)
{
	return order->id == mailbox->row.id &&
		order->uidvalidity == mailbox->row.uidvalidity &&
		order->count <= 2 * mailbox->count + GONE_MOST;
}

struct mailbox_order *mailbox_order_follow(struct mailbox *mailbox)
{
	struct mailbox_order *order = mailbox->order;
	size_t at;

	if (order && !is_of(order, mailbox)) {
		mailbox_order_free(order);
		order = NULL;
	}
	if (!order) {
		order = mem_new(1, sizeof(*order));
		order->id = mailbox->row.id;
		order->uidvalidity = mailbox->row.uidvalidity;
		mailbox->order = order;
	}
	at = order->count ?
		mailbox_behind(mailbox, order->uids[order->count - 1]) : 0;
	array_grow(&order->uids, &order->capacity,
		order->count + mailbox->count - at, sizeof(*order->uids));
	for (; at < mailbox->count; at++)
		order->uids[order->count++] = mailbox->messages[at].is.uid;
	return order;
}

bool mailbox_order_places(const struct mailbox_order *order,
	const uint32_t *uids, size_t count, uint32_t *places)
{
	uint32_t at = 0;

	for (size_t i = 0; i < count; i++) {
		while (at < order->count && order->uids[at] < uids[i])
			at++;
		if (at == order->count || order->uids[at] != uids[i])
			return false;
		places[i] = at;
	}
	return true;
}

bool mailbox_order_pays(const struct mailbox *mailbox, size_t count)
{
	return count >= mailbox->count / WORTH_WHILE;
}

/* ---- keys of messages ---- */

struct keyed {
	uint64_t front;
	struct str text; /* borrowed from the transaction */
	uint32_t member;
};

static int by_value(const struct keyed *a, const struct keyed *b)
{
	if (a->front != b->front)
		return a->front < b->front ? -1 : 1;
	return str_cmp(a->text, b->text);
}

static int by_key(const void *x, const void *y)
{
	const struct keyed *a = x, *b = y;
	int order = by_value(a, b);

	return order ? order : a->member < b->member ? -1 :
		a->member > b->member;
}

static struct imap_sort_key key_of_order(size_t n)
{
	static const enum imap_sort_kind kinds[ORDER_TEXTS] = {
		IMAP_SORT_ARRIVAL, IMAP_SORT_DATE, IMAP_SORT_SIZE };

	if (n < ORDER_TEXTS)
		return (struct imap_sort_key){ .kind = kinds[n] };
	return (struct imap_sort_key){ .kind = IMAP_SORT_TEXT,
		.text = (enum imap_digest_text)(n - ORDER_TEXTS) };
}

static size_t order_of_key(const struct imap_sort_key *key)
{
	switch (key->kind) {
	case IMAP_SORT_ARRIVAL:
		return ORDER_ARRIVAL;
	case IMAP_SORT_DATE:
		return ORDER_DATE;
	case IMAP_SORT_SIZE:
		return ORDER_SIZE;
	case IMAP_SORT_TEXT:
		return ORDER_TEXTS + (size_t)key->text;
	case IMAP_SORT_RELEVANCY:
		break;
	}
	return ORDER_KEYS; /* not kept */
}

static bool needs_digest(const struct imap_sort_key *key)
{
	return key->kind == IMAP_SORT_DATE || key->kind == IMAP_SORT_TEXT;
}

struct keying {
	struct mailbox *mailbox;
	struct mailbox_order *order;
	struct imap_sort_key key;
	struct index_txn *txn;
	struct keyed *all; /* of the members from `first` on */
	size_t first, near;
};

/* Of a message that is there. False: its size is not known yet. */
static bool make_keyed(const struct keying *k, uint32_t member,
	const struct mailbox_message *m, const struct imap_digest *digest,
	struct keyed *keyed)
{
	struct imap_sort_item item = {
		.arrived_s = m->is.internal_s,
		.size = m->is.size,
	};

	if (digest)
		item.digest = *digest;
	keyed->front = imap_sort_front(&k->key, &item);
	keyed->text = k->key.kind == IMAP_SORT_TEXT ?
		item.digest.texts[k->key.text] : STR("");
	keyed->member = member;
	return k->key.kind != IMAP_SORT_SIZE ||
		m->is.size != MAILBOX_SIZE_UNKNOWN;
}

static void take_digest(void *context, size_t n,
	const struct imap_digest *digest)
{
	struct keying *k = context;
	size_t member = k->first + n;
	struct mailbox_message *m = mailbox_find_near(k->mailbox,
		k->order->uids[member], &k->near);

	if (m)
		(void)!make_keyed(k, (uint32_t)member, m, digest,
			&k->all[n]);
}

/* False: of one of those that are there it is not known. */
static bool key_all(struct keying *k)
{
	const uint32_t *uids = k->order->uids + k->first;
	size_t count = k->order->count - k->first;
	bool ok = true;

	k->near = 0;
	for (size_t i = 0; i < count; i++)
		k->all[i] = (struct keyed){ .text = STR(""),
			.member = (uint32_t)(k->first + i) };
	if (needs_digest(&k->key))
		return mailbox_digests_each(k->mailbox, k->txn, uids, count,
			take_digest, k);
	for (size_t i = 0; ok && i < count; i++) {
		struct mailbox_message *m = mailbox_find_near(k->mailbox,
			uids[i], &k->near);

		if (m)
			ok = make_keyed(k, (uint32_t)(k->first + i), m, NULL,
				&k->all[i]);
	}
	return ok;
}

/* ---- ranks ---- */

/* All members, from their keys in order. */
static void rank_all(struct keying *k, struct order_ranks *ranks)
{
	size_t count = k->order->count;
	uint32_t rank = 0;

	for (size_t i = 0; i < count; i++) {
		if (i && by_value(&k->all[i - 1], &k->all[i]))
			rank++;
		ranks->of[k->all[i].member] = rank;
	}
	ranks->ranks = count ? rank + 1 : 0;
}

/* Where a new key belongs. */
struct place {
	uint32_t rank; /* among the old ranks: of an equal one, or before it */
	bool is_equal;
};

/* Ranks that some message has that is there, ascending, and such a one. */
static uint32_t *living_ranks(const struct keying *k, struct arena *arena,
	const struct order_ranks *ranks, uint32_t *members, size_t *count)
{
	uint32_t *living = arena_array(arena, ranks->ranks + (size_t)1,
		sizeof(*living));
	bool *has = arena_array(arena, ranks->ranks + (size_t)1,
		sizeof(*has));
	size_t near = 0;

	for (uint32_t i = 0; i < ranks->count; i++) {
		if (!mailbox_find_near(k->mailbox, k->order->uids[i], &near))
			continue;
		has[ranks->of[i]] = true;
		members[ranks->of[i]] = i;
	}
	*count = 0;
	for (uint32_t rank = 0; rank < ranks->ranks; rank++)
		if (has[rank])
			living[(*count)++] = rank;
	return living;
}

static bool key_member(const struct keying *k, uint32_t member,
	struct keyed *keyed)
{
	uint32_t uid = k->order->uids[member];
	struct mailbox_message *m = mailbox_find(k->mailbox, uid);
	struct imap_digest digest;
	struct str row;

	if (!m)
		return false;
	if (!needs_digest(&k->key))
		return make_keyed(k, member, m, NULL, keyed);
	return index_digest_find(k->txn, k->mailbox->row.id, uid, &row) &&
		imap_digest_parse(row, &digest) &&
		make_keyed(k, member, m, &digest, keyed);
}

/* Of each new key, by halving. False: what is there cannot be read. */
static bool find_places(const struct keying *k, struct arena *arena,
	const struct order_ranks *ranks, size_t count, struct place *places)
{
	uint32_t *members = arena_array(arena, ranks->ranks + (size_t)1,
		sizeof(*members));
	size_t living_count;
	uint32_t *living = living_ranks(k, arena, ranks, members,
		&living_count);

	for (size_t i = 0; i < count; i++) {
		size_t low = 0, high = living_count;

		places[i].is_equal = false;
		while (low < high && !places[i].is_equal) {
			size_t middle = low + (high - low) / 2;
			struct keyed there;
			int order;

			if (!key_member(k, members[living[middle]], &there))
				return false;
			order = by_value(&k->all[i], &there);
			places[i].is_equal = order == 0;
			if (order > 0)
				low = middle + 1;
			else
				high = middle;
		}
		places[i].rank = low < living_count ?
			living[places[i].is_equal ? high : low] :
			ranks->ranks;
	}
	return true;
}

/* The old ranks move up to make room for the new keys. */
static void merge(struct keying *k, struct arena *arena,
	struct order_ranks *ranks, const struct place *places, size_t count)
{
	uint32_t *moved = arena_array(arena, ranks->ranks + (size_t)1,
		sizeof(*moved));
	uint32_t next = 0;
	size_t i = 0;

	for (uint32_t old = 0; old <= ranks->ranks; old++) {
		for (; i < count && places[i].rank == old &&
			!places[i].is_equal; i++) {
			if (i && !places[i - 1].is_equal &&
				places[i - 1].rank == old &&
				by_value(&k->all[i - 1], &k->all[i]) == 0)
				next--;
			ranks->of[k->all[i].member] = next++;
		}
		moved[old] = next;
		next += old < ranks->ranks;
		for (; i < count && places[i].rank == old; i++)
			ranks->of[k->all[i].member] = moved[old];
	}
	for (size_t member = 0; member < ranks->count; member++)
		ranks->of[member] = moved[ranks->of[member]];
	ranks->ranks = next;
}

static bool rank_with(struct keying *k, struct arena *arena,
	struct order_ranks *ranks)
{
	size_t count = k->order->count - k->first;
	struct place *places;

	k->all = arena_array(arena, count + 1, sizeof(*k->all));
	if (!key_all(k))
		return false;
	qsort(k->all, count, sizeof(*k->all), by_key);
	array_grow(&ranks->of, &ranks->capacity, k->order->count,
		sizeof(*ranks->of));
	if (k->first == 0) {
		rank_all(k, ranks);
	} else {
		places = arena_array(arena, count, sizeof(*places));
		if (!find_places(k, arena, ranks, count, places))
			return false;
		merge(k, arena, ranks, places, count);
	}
	ranks->count = k->order->count;
	return true;
}

/* All members get ranks. False: of one nothing is known. */
static bool rank_key(struct mailbox *mailbox, struct mailbox_order *order,
	size_t n)
{
	struct arena *arena auto_arena = NULL;
	struct order_ranks *ranks = &order->keys[n];
	struct keying k = { .mailbox = mailbox, .order = order,
		.key = key_of_order(n), .first = ranks->count };
	bool ok;

	if (ranks->count == order->count)
		return true;
	if (order->count - ranks->count > ranks->count / MERGE_MOST)
		k.first = 0;
	k.txn = index_begin(mailbox->store->index, false);
	if (!k.txn)
		return false;
	arena = arena_new(0);
	ok = rank_with(&k, arena, ranks);
	if (!ok && k.first > 0) { /* where old ones are not readable */
		k.first = 0;
		ok = rank_with(&k, arena, ranks);
	}
	index_abort(k.txn);
	return ok;
}

/* ---- sorting ---- */

static bool is_ranked(const struct mailbox_order *order,
	const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++) {
		size_t n = order_of_key(&sort->keys[i]);

		if (n < ORDER_KEYS && order->keys[n].count == 0)
			return false;
	}
	return true;
}

static bool rank_keys(struct mailbox *mailbox, struct mailbox_order *order,
	const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++) {
		size_t n = order_of_key(&sort->keys[i]);

		if (n < ORDER_KEYS && !rank_key(mailbox, order, n))
			return false;
	}
	return true;
}

/* What was found, during its sorting. */
struct sorting {
	const struct mailbox_order *order;
	const struct mailbox_found *found;
	const uint32_t *places; /* of found[i]: which member */
	size_t count;
};

static uint8_t score_of(const struct mailbox_found *found, size_t n)
{
	return found->scores ? found->scores[n] : 0;
}

/* Put from[] (numbers of what was found) in the order of one key, equal ones
 * as they were, into to[]. */
static void sort_by(const struct sorting *s, struct arena *arena,
	const struct imap_sort_key *key, const uint32_t *from, uint32_t *to)
{
	size_t n = order_of_key(key);
	const struct order_ranks *ranks =
		n < ORDER_KEYS ? &s->order->keys[n] : NULL;
	uint32_t count = ranks ? ranks->ranks : SCORES;
	uint32_t *of = arena_array(arena, s->count + 1, sizeof(*of));
	uint32_t *begin = arena_array(arena, count + (size_t)1,
		sizeof(*begin));

	for (size_t i = 0; i < s->count; i++) {
		of[i] = ranks ? ranks->of[s->places[i]] :
			(uint32_t)(UINT8_MAX - score_of(s->found, i));
		if (key->reverse)
			of[i] = count - 1 - of[i];
		begin[of[i] + 1]++;
	}
	for (uint32_t rank = 0; rank < count; rank++)
		begin[rank + 1] += begin[rank];
	for (size_t i = 0; i < s->count; i++)
		to[begin[of[from[i]]]++] = from[i];
}

static void sort_found(const struct mailbox_order *order,
	const struct imap_sort *sort, const uint32_t *places,
	struct mailbox_found *found)
{
	struct arena *arena auto_arena = arena_new(0);
	struct sorting s = { .order = order, .found = found,
		.places = places, .count = found->count };
	uint32_t *now = arena_array(arena, s.count + 1, sizeof(*now));
	uint32_t *next = arena_array(arena, s.count + 1, sizeof(*next));
	uint8_t *scores = found->scores ?
		arena_array(arena, s.count + 1, 1) : NULL;

	for (uint32_t i = 0; i < s.count; i++)
		now[i] = i;
	for (size_t key = sort->count; key-- > 0;) {
		uint32_t *last = now;

		sort_by(&s, arena, &sort->keys[key], now, next);
		now = next;
		next = last;
	}
	for (size_t i = 0; i < s.count; i++) {
		found->uids[i] = order->uids[places[now[i]]];
		if (scores)
			scores[i] = found->scores[now[i]];
	}
	if (scores)
		memcpy(found->scores, scores, s.count);
}

/* False: something is not known that is needed; nothing was changed. */
static bool sort_kept(struct mailbox *mailbox, struct arena *arena,
	const struct imap_sort *sort, struct mailbox_found *found)
{
	struct mailbox_order *order = mailbox_order_follow(mailbox);
	uint32_t *places = arena_array(arena, found->count + 1,
		sizeof(*places));

	if (!rank_keys(mailbox, order, sort) ||
		!mailbox_order_places(order, found->uids, found->count,
			places))
		return false;
	sort_found(order, sort, places, found);
	return true;
}

/* So that of each message is kept what its order needs. Waits. */
static bool read_all(struct mailbox *mailbox, struct arena *arena,
	const struct imap_sort *sort)
{
	size_t count = mailbox->count;
	uint32_t *uids = mailbox_uids_all(mailbox, arena);
	uint64_t size;

	for (size_t i = 0; imap_sort_needs_size(sort) && i < count; i++)
		if (mailbox_size(mailbox, uids[i], &size) ==
			MAILBOX_TRY_LATER)
			return false;
	return !imap_sort_needs_digest(sort) ||
		mailbox_digests_read(mailbox, uids, count);
}

/* That of its arrival is in the place of a date that it has not. */
static bool needs_dates(const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++)
		if (sort->keys[i].kind == IMAP_SORT_ARRIVAL ||
			sort->keys[i].kind == IMAP_SORT_DATE)
			return true;
	return false;
}

/* An order has all messages as members, so all of them need their dates. */
static enum mailbox_result date_all(struct mailbox *mailbox,
	struct arena *arena, const struct mailbox_found *found)
{
	return mailbox->has_undated && (mailbox->order ||
			mailbox_order_pays(mailbox, found->count)) ?
		mailbox_dates(mailbox, mailbox_uids_all(mailbox, arena),
			mailbox->count) :
		mailbox_dates(mailbox, found->uids, found->count);
}

enum mailbox_result mailbox_sort(struct mailbox *mailbox,
	struct arena *arena, const struct imap_sort *sort,
	struct mailbox_found *found, size_t most)
{
	bool is_kept = mailbox->order && is_ranked(mailbox->order, sort);
	enum mailbox_result result;

	if (!mailbox_complete(mailbox))
		return MAILBOX_TRY_LATER;
	result = needs_dates(sort) ? date_all(mailbox, arena, found) :
		MAILBOX_OK;
	if (result != MAILBOX_OK)
		return result;
	if ((is_kept || mailbox_order_pays(mailbox, found->count)) &&
		(sort_kept(mailbox, arena, sort, found) ||
			(read_all(mailbox, arena, sort) &&
				sort_kept(mailbox, arena, sort, found))))
		return MAILBOX_OK;
	return mailbox_sort_plain(mailbox, arena, sort, found, most);
}

/* ---- without what is kept ---- */

enum mailbox_result mailbox_sort_plain(struct mailbox *mailbox,
	struct arena *arena, const struct imap_sort *sort,
	struct mailbox_found *found, size_t most)
{
	struct imap_sort_item *items = arena_array(arena, found->count + 1,
		sizeof(*items));
	struct imap_sort_rank *ranks = arena_array(arena, found->count + 1,
		sizeof(*ranks));
	struct imap_digest *digests = NULL;
	enum mailbox_result result = MAILBOX_OK;

	if (imap_sort_needs_digest(sort)) {
		digests = arena_array(arena, found->count + 1,
			sizeof(*digests));
		result = mailbox_digests(mailbox, arena, found->uids,
			found->count, digests);
	}
	if (result != MAILBOX_OK)
		return result;
	for (size_t i = 0; i < found->count; i++) {
		struct imap_sort_item *item = &items[i];
		struct mailbox_message *m;

		item->uid = found->uids[i];
		item->score = score_of(found, i);
		if (digests)
			item->digest = digests[i];
		if (imap_sort_needs_size(sort) && mailbox_size(mailbox,
			item->uid, &item->size) == MAILBOX_TRY_LATER)
			return MAILBOX_TRY_LATER;
		m = mailbox_find(mailbox, item->uid);
		if (m)
			item->arrived_s = m->is.internal_s;
	}
	imap_sort_run(sort, items, found->count, most, ranks);
	for (size_t i = 0; i < found->count; i++) {
		found->uids[i] = ranks[i].item->uid;
		if (found->scores)
			found->scores[i] = ranks[i].item->score;
	}
	return MAILBOX_OK;
}
