/*
 * imap/sort - the criteria of SORT, and putting messages in their order.
 *
 * Source   RFC 5256 3 (BASE.6.4.SORT), RFC 5957 (DISPLAYFROM, DISPLAYTO)
 * Memory   none
 * Waits    no
 * Errors   false: malformed
 */
#ifndef IMAP_SORT_H
#define IMAP_SORT_H

#include "imap/digest.h"

enum {
	IMAP_SORT_KEYS_MOST = 20,
};

enum imap_sort_kind {
	IMAP_SORT_ARRIVAL,
	IMAP_SORT_DATE,
	IMAP_SORT_SIZE,
	IMAP_SORT_RELEVANCY, /* the best first; RFC 6203 6 */
	IMAP_SORT_TEXT, /* of the digest */
};

struct imap_sort_key {
	enum imap_sort_kind kind;
	enum imap_digest_text text;
	bool reverse;
};

struct imap_sort {
	struct imap_sort_key keys[IMAP_SORT_KEYS_MOST];
	size_t count;
};

struct imap_sort_item {
	uint32_t uid; /* also the order of equal ones */
	int64_t arrived_s;
	uint64_t size;
	uint8_t score;
	struct imap_digest digest;
};

/* "(REVERSE DATE SUBJECT)" */
must_check bool imap_sort_take(struct str *in, struct imap_sort *sort);
bool imap_sort_needs_digest(const struct imap_sort *sort);
bool imap_sort_needs_score(const struct imap_sort *sort);
bool imap_sort_needs_size(const struct imap_sort *sort);

/* The front of one key as a number in the same order; of all kinds but texts
 * it is the whole key. `reverse` does not count. */
uint64_t imap_sort_front(const struct imap_sort_key *key,
	const struct imap_sort_item *item);

/* An item, and the front of its first key as a number in the same order. */
struct imap_sort_rank {
	uint64_t front;
	const struct imap_sort_item *item;
};

/* ranks (`count` of them, made here): the first `most` in order, the rest in
 * any. */
void imap_sort_run(const struct imap_sort *sort,
	const struct imap_sort_item *items, size_t count, size_t most,
	struct imap_sort_rank *ranks);

#endif
