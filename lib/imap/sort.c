#include "imap/sort.h"

#include <stdlib.h>

#include "imap/take.h"

static const struct {
	const char *name;
	struct imap_sort_key key;
} names[] = {
	{ "ARRIVAL", { IMAP_SORT_ARRIVAL, 0, false } },
	{ "CC", { IMAP_SORT_TEXT, IMAP_DIGEST_CC, false } },
	{ "DATE", { IMAP_SORT_DATE, 0, false } },
	{ "DISPLAYFROM", { IMAP_SORT_TEXT, IMAP_DIGEST_DISPLAY_FROM, false } },
	{ "DISPLAYTO", { IMAP_SORT_TEXT, IMAP_DIGEST_DISPLAY_TO, false } },
	{ "FROM", { IMAP_SORT_TEXT, IMAP_DIGEST_FROM, false } },
	{ "RELEVANCY", { IMAP_SORT_RELEVANCY, 0, false } },
	{ "SIZE", { IMAP_SORT_SIZE, 0, false } },
	{ "SUBJECT", { IMAP_SORT_TEXT, IMAP_DIGEST_SUBJECT, false } },
	{ "TO", { IMAP_SORT_TEXT, IMAP_DIGEST_TO, false } },
};

static bool take_key(struct str *in, struct imap_sort *sort)
{
	bool reverse = str_take_prefix_nocase(in, STR("REVERSE "));
	struct str word;

	if (sort->count == IMAP_SORT_KEYS_MOST || !imap_take_atom(in, &word))
		return false;
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!str_is_nocase(word, names[i].name))
			continue;
		sort->keys[sort->count] = names[i].key;
		sort->keys[sort->count++].reverse = reverse;
		return true;
	}
	return false;
}

bool imap_sort_take(struct str *in, struct imap_sort *sort)
{
	*sort = (struct imap_sort){ 0 };
	if (!str_take_char(in, '('))
		return false;
	do {
		if (!take_key(in, sort))
			return false;
	} while (str_take_char(in, ' '));
	return str_take_char(in, ')');
}

bool imap_sort_needs_digest(const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++)
		if (sort->keys[i].kind == IMAP_SORT_TEXT ||
			sort->keys[i].kind == IMAP_SORT_DATE)
			return true;
	return false;
}

bool imap_sort_needs_score(const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++)
		if (sort->keys[i].kind == IMAP_SORT_RELEVANCY)
			return true;
	return false;
}

bool imap_sort_needs_size(const struct imap_sort *sort)
{
	for (size_t i = 0; i < sort->count; i++)
		if (sort->keys[i].kind == IMAP_SORT_SIZE)
			return true;
	return false;
}

/* RFC 5256 3: without a valid Date it is the time of arrival. */
static int64_t sent(const struct imap_sort_item *item)
{
	return item->digest.sent_s == IMAP_NOT_SENT ? item->arrived_s :
						      item->digest.sent_s;
}

#define ORDER(a, b) ((a) < (b) ? -1 : (a) > (b))

static int compare_key(const struct imap_sort_key *key,
	const struct imap_sort_item *a, const struct imap_sort_item *b)
{
	switch (key->kind) {
	case IMAP_SORT_ARRIVAL:
		return ORDER(a->arrived_s, b->arrived_s);
	case IMAP_SORT_DATE:
		return ORDER(sent(a), sent(b));
	case IMAP_SORT_SIZE:
		return ORDER(a->size, b->size);
	case IMAP_SORT_RELEVANCY:
		return ORDER(b->score, a->score);
	case IMAP_SORT_TEXT:
		return str_cmp(a->digest.texts[key->text],
			b->digest.texts[key->text]);
	}
	return 0;
}

static int compare(const void *x, const void *y, void *context)
{
	const struct imap_sort_rank *ranks[2] = { x, y };
	const struct imap_sort_item *a = ranks[0]->item, *b = ranks[1]->item;
	const struct imap_sort *sort = context;

	if (ranks[0]->front != ranks[1]->front)
		return ORDER(ranks[0]->front, ranks[1]->front);
	for (size_t i = 0; i < sort->count; i++) {
		int order = compare_key(&sort->keys[i], a, b);

		if (order)
			return sort->keys[i].reverse ? -order : order;
	}
	return ORDER(a->uid, b->uid);
}

static uint64_t front_of_time(int64_t s)
{
	return (uint64_t)s ^ (uint64_t)1 << 63;
}

static uint64_t front_of_text(struct str text)
{
	uint64_t front = 0;

	for (size_t i = 0; i < sizeof(front); i++)
		front = front << 8 |
			(i < text.len ? (unsigned char)text.p[i] : 0);
	return front;
}

uint64_t imap_sort_front(const struct imap_sort_key *key,
	const struct imap_sort_item *item)
{
	switch (key->kind) {
	case IMAP_SORT_ARRIVAL:
		return front_of_time(item->arrived_s);
	case IMAP_SORT_DATE:
		return front_of_time(sent(item));
	case IMAP_SORT_SIZE:
		return item->size;
	case IMAP_SORT_RELEVANCY:
		return UINT64_MAX - item->score;
	case IMAP_SORT_TEXT:
		return front_of_text(item->digest.texts[key->text]);
	}
	return 0;
}

/* A heap of `count` with the last of them in front: put it in its place. */
static void sift(struct imap_sort *sort, struct imap_sort_rank *heap,
	size_t count, size_t at)
{
	struct imap_sort_rank moved = heap[at];
	size_t child;

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count &&
			compare(&heap[child + 1], &heap[child], sort) > 0)
			child++;
		if (compare(&heap[child], &moved, sort) <= 0)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

/* The first `most` of them to the front, in any order. */
static void pick_first(struct imap_sort *sort, struct imap_sort_rank *ranks,
	size_t count, size_t most)
{
	for (size_t i = most / 2; i-- > 0;)
		sift(sort, ranks, most, i);
	for (size_t i = most; i < count; i++) {
		struct imap_sort_rank rank = ranks[i];

		if (compare(&rank, &ranks[0], sort) >= 0)
			continue;
		ranks[i] = ranks[0];
		ranks[0] = rank;
		sift(sort, ranks, most, 0);
	}
}

void imap_sort_run(const struct imap_sort *sort,
	const struct imap_sort_item *items, size_t count, size_t most,
	struct imap_sort_rank *ranks)
{
	struct imap_sort copy = *sort;

	for (size_t i = 0; i < count; i++) {
		uint64_t front = sort->count ?
			imap_sort_front(&sort->keys[0], &items[i]) : 0;

		ranks[i] = (struct imap_sort_rank){
			sort->count && sort->keys[0].reverse ? ~front : front,
			&items[i] };
	}
	if (most > 0 && most < count)
		pick_first(&copy, ranks, count, most);
	if (most > count)
		most = count;
	if (most)
		qsort_r(ranks, most, sizeof(*ranks), compare, &copy);
}
