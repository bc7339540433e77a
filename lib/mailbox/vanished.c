/*
 * What was expunged since a modseq, RFC 7162 3.2.5 and 3.2.6.
 */
#include "mailbox/mailbox.h"

#include <stdlib.h>

#include "mailbox/store.h"

struct vanished {
	struct arena *arena;
	uint32_t *uids;
	size_t count, capacity;
};

static void take_vanished(void *context, uint32_t uid)
{
	struct vanished *v = context;

	arena_grow(v->arena, &v->uids, &v->capacity, v->count + 1,
		sizeof(uid));
	v->uids[v->count++] = uid;
}

/* All uids of the set that are not there now: the gaps between messages. */
static void add_missing(struct mailbox *mailbox, struct arena *arena,
	const struct imap_set *wanted, uint32_t from, struct imap_set *vanished)
{
	uint32_t last = mailbox->row.uidnext - 1;
	size_t at = 0;

	for (size_t i = 0; i < wanted->count; i++) {
		struct imap_range r = wanted->ranges[i];
		uint32_t uid = r.from > from ? r.from : from;
		uint32_t to = r.to < last ? r.to : last;

		while (at < mailbox->count &&
			mailbox->messages[at].is.uid < uid)
			at++;
		for (; at < mailbox->count &&
			mailbox->messages[at].is.uid <= to; at++) {
			imap_set_add_range(arena, vanished, uid,
				mailbox->messages[at].is.uid - 1);
			uid = mailbox->messages[at].is.uid + 1;
		}
		imap_set_add_range(arena, vanished, uid, to);
	}
}

static int by_uid(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

enum mailbox_result mailbox_vanished(struct mailbox *mailbox,
	struct arena *arena, const struct imap_set *wanted, uint64_t after,
	uint32_t from, struct imap_set *vanished)
{
	struct vanished v = { .arena = arena };
	struct index_txn *txn;

	*vanished = (struct imap_set){ 0 };
	if (after < mailbox->row.expunged_from) {
		add_missing(mailbox, arena, wanted, from, vanished);
		return MAILBOX_OK;
	}
	txn = index_begin(mailbox->store->index, false);
	if (!txn)
		return MAILBOX_TRY_LATER;
	index_expunged_each(txn, mailbox->row.id, after, take_vanished, &v);
	index_abort(txn);
	if (v.count)
		qsort(v.uids, v.count, sizeof(*v.uids), by_uid);
	for (size_t i = 0; i < v.count; i++)
		if (imap_set_has(wanted, v.uids[i]))
			imap_set_add(arena, vanished, v.uids[i]);
	return MAILBOX_OK;
}
