/*
 * mailbox/order - messages in the order of a key of SORT, and what THREAD
 * needs of them, kept in memory with their mailbox.
 *
 * A key's order is a number for each message, its rank: equal keys have the
 * same. It is made the first time that many messages are sorted by the key;
 * what came since is then put in its places. So a SORT by any keys is a few
 * walks over numbers. The result is that of mailbox_sort_plain, which compares
 * texts: for few messages, and where not all of them can be read.
 *
 * Memory   4 octets for each message, and 4 for each key that is used (of 9);
 *          of THREAD 32 for each message, 4 for each reference, and each id
 *          and subject once. Messages that are gone are in it until they are
 *          more than those that are there
 * Waits    where a message was never read
 */
#ifndef MAILBOX_ORDER_H
#define MAILBOX_ORDER_H

#include "imap/sort.h"
#include "imap/thread.h"
#include "mailbox/mailbox.h"

/* What a search found: ascending uids, and their scores; NULL: none. */
struct mailbox_found {
	uint32_t *uids;
	uint8_t *scores;
	size_t count;
};

/* Put them in order, at least the first `most`. */
must_check enum mailbox_result mailbox_sort(struct mailbox *mailbox,
	struct arena *arena, const struct imap_sort *sort,
	struct mailbox_found *found, size_t most);

/* Items of these uids (ascending) for imap_thread_format, without their
 * numbers; with *names in memory of the mailbox or the arena, until the next
 * call that may wait or change the mailbox. */
must_check enum mailbox_result mailbox_threads(struct mailbox *mailbox,
	struct arena *arena, const uint32_t *uids, size_t count,
	struct imap_thread_item *items,
	const struct imap_thread_names **names);

/* ---- inside lib/mailbox ---- */

enum {
	ORDER_ARRIVAL,
	ORDER_DATE,
	ORDER_SIZE,
	ORDER_TEXTS, /* and from here on the texts of a digest */
	ORDER_KEYS = ORDER_TEXTS + IMAP_DIGEST_ID,
};

struct order_ranks {
	uint32_t *of; /* ranks of the first `count` members, from 0 on ... */
	size_t count, capacity;
	uint32_t ranks; /* ... so many different ones */
};

struct order_threads {
	struct arena *arena; /* references */
	struct imap_thread_names names;
	struct imap_thread_facts *of; /* the first `count` members */
	size_t count, capacity;
};

struct mailbox_order {
	uint32_t id, uidvalidity; /* of the mailbox's row */
	uint32_t *uids; /* the members: messages that are or were there */
	size_t count, capacity;
	struct order_ranks keys[ORDER_KEYS];
	struct order_threads threads;
};

void mailbox_order_free(struct mailbox_order *order);
/* With all messages that are there now as members. */
struct mailbox_order *mailbox_order_follow(struct mailbox *mailbox);
/* Where these uids (ascending) are among the members. False: one is not. */
must_check bool mailbox_order_places(const struct mailbox_order *order,
	const uint32_t *uids, size_t count, uint32_t *places);
/* Are so many of the mailbox's messages asked for that it is worth while? */
bool mailbox_order_pays(const struct mailbox *mailbox, size_t count);

/* The same as mailbox_sort, with nothing that is kept. */
must_check enum mailbox_result mailbox_sort_plain(struct mailbox *mailbox,
	struct arena *arena, const struct imap_sort *sort,
	struct mailbox_found *found, size_t most);
/* The same as mailbox_threads; the names belong to the arena. */
must_check enum mailbox_result mailbox_threads_plain(struct mailbox *mailbox,
	struct arena *arena, const uint32_t *uids, size_t count,
	struct imap_thread_item *items,
	const struct imap_thread_names **names);

#endif
