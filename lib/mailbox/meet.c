/*
 * Meeting many mailboxes: what LIST tells the STATUS of, and the index does not
 * know yet. Helpers read the files of the next ones (mailbox/gather.h) while
 * the fiber puts those before them into the index.
 */
#include "mailbox/flush.h"
#include "mailbox/gather.h"
#include "mailbox/mailbox.h"
#include "mailbox/spread.h"

#include <stdio.h>

#include "io/fiber.h"
#include "io/filesystem.h"

enum {
	ALONE_MOST = 4, /* mailboxes that are opened one by one */
	SETS = 3,       /* one is taken in, the others are read */
};

struct meeting {
	struct mailbox_store *store;
	const struct str **unknown;
	size_t count;
	size_t next; /* the first that is in no set yet */
	struct mailbox_gather sets[SETS];
};

static size_t find_unknown(struct mailbox_store *store,
	const struct str *names, size_t count, const struct str **unknown)
{
	struct index_txn *txn = index_begin(store->index, false);
	struct index_mailbox row;
	size_t found = 0;

	if (txn && count > ALONE_MOST)
		index_read_ahead(txn);
	for (size_t i = 0; txn && i < count; i++)
		if (!index_mailbox_find(txn, names[i], &row))
			unknown[found++] = &names[i];
	index_abort(txn);
	return found;
}

/* Their uidlists follow: in the background, or when they are opened. Marked
 * in met, if that is asked for. */
static void note_met(struct meeting *meeting, const struct mailbox_gather *set,
	const struct str *names, enum mailbox_met *met)
{
	struct mailbox_store *store = meeting->store;
	struct arena *arena auto_arena = arena_new(0);
	struct index_txn *txn = index_begin(store->index, false);
	struct index_mailbox row;

	for (size_t i = 0; txn && i < set->count; i++) {
		if (!index_mailbox_find(txn, *set->names[i], &row))
			continue;
		if (met)
			met[set->names[i] - names] = set->found[i].is_bare ?
				MAILBOX_MET_BARE : MAILBOX_MET;
		if (row.uidlist_ns == 0)
			mailbox_store_unflushed(store,
				arena_cstr(arena, *set->names[i]),
				MAILBOX_UNLISTED | MAILBOX_UIDS |
				MAILBOX_NAMED);
	}
	index_abort(txn);
}

/* What could not be read may be no mailbox: mailbox_store_list_unsure. */
static bool is_there(struct mailbox_store *store, struct str name,
	const struct mailbox_gathered *g)
{
	char text[MAILBOX_NAME_MOST + 1];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
	return g->is_read || layout_exists(&store->place, text);
}

/* What cannot be taken in is told when it is asked for. */
static bool take_in(struct meeting *meeting, const struct mailbox_gather *set)
{
	struct mailbox_store *store = meeting->store;
	struct index_txn *txn = index_begin(store->index, true);
	struct index_mailbox row;
	bool ok = txn;

	store->is_meeting = true;
	for (size_t i = 0; ok && i < set->count; i++) {
		const struct mailbox_gathered *g = &set->found[i];

		ok = index_mailbox_find(txn, *set->names[i], &row) ||
			!is_there(store, *set->names[i], g) ||
			mailbox_meet(store, *set->names[i], txn,
				g->is_read ? g : NULL);
	}
	store->is_meeting = false;
	if (ok)
		return index_commit(txn);
	index_abort(txn);
	return false;
}

static void begin_set(struct meeting *meeting, struct mailbox_gather *set)
{
	size_t left = meeting->count - meeting->next;
	size_t count = left < MAILBOX_GATHER_MOST ? left : MAILBOX_GATHER_MOST;

	if (count > 0)
		mailbox_gather_begin(set, meeting->unknown + meeting->next,
			count);
	meeting->next += count;
}

static void meet_all(struct meeting *meeting, const struct str *names,
	enum mailbox_met *met)
{
	for (size_t i = 0; i < SETS; i++) {
		mailbox_gather_open(&meeting->sets[i], meeting->store);
		begin_set(meeting, &meeting->sets[i]);
	}
	for (size_t i = 0; meeting->sets[i].is_under_way; i = (i + 1) % SETS) {
		struct mailbox_gather *set = &meeting->sets[i];

		mailbox_gather_end(set);
		if (take_in(meeting, set))
			note_met(meeting, set, names, met);
		begin_set(meeting, set);
		if (io_self())
			io_yield();
	}
	for (size_t i = 0; i < SETS; i++)
		mailbox_gather_close(&meeting->sets[i]);
}

struct having {
	const struct mailbox_place *place;
	const struct str *names;
	const enum mailbox_met *met;
	bool *have;
};

/* For helpers, too. */
static void have_one(void *context, size_t i)
{
	const struct having *h = context;
	char text[MAILBOX_NAME_MOST + 1];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(h->names[i]));
	h->have[i] = h->met[i] != MAILBOX_NOT_MET ||
		layout_exists(h->place, text);
}

void mailbox_store_have(struct mailbox_store *store, const struct str *names,
	size_t count, const enum mailbox_met *met, bool *have)
{
	struct having h = { .place = &store->place, .names = names,
		.met = met, .have = have };

	mailbox_spread(count, have_one, &h);
}

enum mailbox_result mailbox_store_meet(struct mailbox_store *store,
	const struct str *names, size_t count, bool is_told,
	enum mailbox_met *met)
{
	struct arena *arena auto_arena = arena_new(0);
	struct meeting *meeting = arena_new_of(arena, struct meeting);

	meeting->store = store;
	meeting->unknown = arena_array(arena, count + 1,
		sizeof(*meeting->unknown));
	meeting->count = find_unknown(store, names, count, meeting->unknown);
	if (meeting->count <= ALONE_MOST || !io_syncfs_is_known(store->dir))
		return MAILBOX_OK;
	meet_all(meeting, names, met);
	return is_told ? mailbox_flush_together(store) : MAILBOX_OK;
}
