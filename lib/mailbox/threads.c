/*
 * What THREAD needs of messages (mailbox/order.h): made once for each of them.
 */
#include "mailbox/order.h"

#include "mailbox/store.h"

static void take_facts(void *context, size_t n,
	const struct imap_digest *digest)
{
	struct order_threads *threads = context;

	imap_thread_facts_of(threads->arena, &threads->names, digest,
		&threads->of[threads->count + n]);
}

/* All members get them. False: of one nothing is known. */
static bool follow(struct mailbox *mailbox, struct mailbox_order *order)
{
	const struct imap_digest nothing = { .sent_s = IMAP_NOT_SENT };
	struct order_threads *threads = &order->threads;
	struct index_txn *txn;
	bool ok;

	if (threads->count == order->count)
		return true;
	txn = index_begin(mailbox->store->index, false);
	if (!txn)
		return false;
	if (!threads->arena) {
		threads->arena = arena_new(0);
		threads->names = imap_thread_names_new();
	}
	array_grow(&threads->of, &threads->capacity, order->count,
		sizeof(*threads->of));
	for (size_t i = threads->count; i < order->count; i++)
		imap_thread_facts_of(threads->arena, &threads->names,
			&nothing, &threads->of[i]);
	ok = mailbox_digests_each(mailbox, txn,
		order->uids + threads->count, order->count - threads->count,
		take_facts, threads);
	index_abort(txn);
	if (ok)
		threads->count = order->count;
	return ok;
}

static void add_arrivals(struct mailbox *mailbox, const uint32_t *uids,
	size_t count, struct imap_thread_item *items)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		struct mailbox_message *m = mailbox_find_near(mailbox,
			uids[i], &at);

		items[i].arrived_s = m ? m->is.internal_s : 0;
	}
}

/* False: something is not known that is needed. */
static bool thread_kept(struct mailbox *mailbox, struct arena *arena,
	const uint32_t *uids, size_t count, struct imap_thread_item *items,
	const struct imap_thread_names **names)
{
	struct mailbox_order *order = mailbox_order_follow(mailbox);
	uint32_t *places = arena_array(arena, count + 1, sizeof(*places));

	if (!follow(mailbox, order) ||
		!mailbox_order_places(order, uids, count, places))
		return false;
	for (size_t i = 0; i < count; i++)
		items[i].of = &order->threads.of[places[i]];
	add_arrivals(mailbox, uids, count, items);
	*names = &order->threads.names;
	return true;
}

/* So that a digest of each message is kept. Waits. */
static bool read_all(struct mailbox *mailbox, struct arena *arena)
{
	return mailbox_digests_read(mailbox, mailbox_uids_all(mailbox, arena),
		mailbox->count);
}

enum mailbox_result mailbox_threads(struct mailbox *mailbox,
	struct arena *arena, const uint32_t *uids, size_t count,
	struct imap_thread_item *items,
	const struct imap_thread_names **names)
{
	enum mailbox_result result = mailbox_dates(mailbox, uids, count);

	if (result != MAILBOX_OK)
		return result;
	if ((mailbox_order_pays(mailbox, count) ||
			(mailbox->order && mailbox->order->threads.count)) &&
		(thread_kept(mailbox, arena, uids, count, items, names) ||
			(read_all(mailbox, arena) &&
				thread_kept(mailbox, arena, uids, count,
					items, names))))
		return MAILBOX_OK;
	return mailbox_threads_plain(mailbox, arena, uids, count, items,
		names);
}

static void end_names(void *names)
{
	imap_thread_names_free(names);
}

enum mailbox_result mailbox_threads_plain(struct mailbox *mailbox,
	struct arena *arena, const uint32_t *uids, size_t count,
	struct imap_thread_item *items,
	const struct imap_thread_names **names)
{
	struct imap_digest *digests = arena_array(arena, count + 1,
		sizeof(*digests));
	struct imap_thread_facts *facts = arena_array(arena, count + 1,
		sizeof(*facts));
	struct imap_thread_names *own =
		arena_new_of(arena, struct imap_thread_names);
	enum mailbox_result result = mailbox_digests(mailbox, arena, uids,
		count, digests);

	if (result != MAILBOX_OK)
		return result;
	*own = imap_thread_names_new();
	arena_on_free(arena, end_names, own);
	for (size_t i = 0; i < count; i++) {
		imap_thread_facts_of(arena, own, &digests[i], &facts[i]);
		items[i].of = &facts[i];
	}
	add_arrivals(mailbox, uids, count, items);
	*names = own;
	return MAILBOX_OK;
}
