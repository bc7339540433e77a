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
	const struct imap_sort_item *a = x, *b = y;
	const struct imap_sort *sort = context;

	for (size_t i = 0; i < sort->count; i++) {
		int order = compare_key(&sort->keys[i], a, b);

		if (order)
			return sort->keys[i].reverse ? -order : order;
	}
	return ORDER(a->uid, b->uid);
}

void imap_sort_run(const struct imap_sort *sort, struct imap_sort_item *items,
	size_t count)
{
	struct imap_sort copy = *sort;

	if (count)
		qsort_r(items, count, sizeof(*items), compare, &copy);
}
