/*
 * Messages that arrive become visible, and the list forgets them.
 */
#include "mailbox/arrivals_inside.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

enum {
	PATIENCE_S = 10, /* then it is lived with: what removes makes room */
};

/* ---- names ---- */

/* False with errno. Done already is fine. */
static bool name_file(const struct mailbox *m, struct arrivals_file *f)
{
	if (!f->temporary)
		return true;
	if (!m->store->driver->publish(&m->store->place, m->name, f->temporary,
		f->name))
		return false;
	free(f->temporary);
	f->temporary = NULL;
	return true;
}

/* Into memory and the index, with the UIDs that they have. */
static bool add_batch(struct mailbox *m, struct index_txn *txn,
	const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct arrivals_file *f = &b->files[i];

		if (!name_file(m, f)) {
			log_warning("%s: %s of %s, which was appended: %m",
				m->store->path, f->name, m->name);
			return false;
		}
		f->is.modseq = m->row.modseq + 1;
		if (!mailbox_find(m, f->is.uid) &&
			!mailbox_add(m, txn, &f->is, f->name))
			return false;
	}
	return true;
}

/* Of one mailbox those that are flushed come first. */
bool arrivals_is_ready(const struct batch *b, const struct mailbox *m)
{
	return b->mailbox == m && b->state == WAITING && b->is_flushed;
}

static bool add_all(struct mailbox *m, struct index_txn *txn)
{
	size_t before = m->count;
	bool known = mailbox_stamp_cur_is_known(m), ok = true;

	list_each (at, &m->store->arrivals->batches)
		if (ok && arrivals_is_ready(batch_at(at), m))
			ok = add_batch(m, txn, batch_at(at));
	mailbox_store_unflushed(m->store, m->name, MAILBOX_CUR);
	if (!ok)
		return false;
	if (m->count > before) {
		mailbox_list_uids(m, before);
		m->row.modseq++;
	}
	mailbox_stamp_own(m, known);
	return true;
}

static void end_waiting(struct mailbox *m, enum batch_state state)
{
	list_each (at, &m->store->arrivals->batches) {
		struct batch *b = batch_at(at);

		if (!arrivals_is_ready(b, m))
			continue;
		b->state = state;
		m->arriving -= b->count;
	}
}

/* Deleted, and made again under that name. */
static bool is_another(const struct mailbox *m)
{
	list_each (at, &m->store->arrivals->batches)
		if (arrivals_is_ready(batch_at(at), m))
			return batch_at(at)->uidvalidity !=
				m->row.uidvalidity;
	return false;
}

/* Those whose texts are durable. */
bool arrivals_name(struct mailbox *m)
{
	struct index_txn *txn;

	if (arrivals_is_gone(m)) {
		end_waiting(m, DONE);
		return true;
	}
	txn = index_begin(m->store->index, true);
	if (!txn)
		return false;
	if (!mailbox_load(m, txn)) {
		index_abort(txn);
		return false;
	}
	if (is_another(m)) {
		index_abort(txn);
		end_waiting(m, DONE);
		return true;
	}
	if (!mailbox_commit(m, txn, add_all(m, txn)))
		return false;
	end_waiting(m, NAMED);
	mailbox_changed(m);
	return true;
}

void arrivals_get_stuck(struct mailbox_arrivals *a)
{
	if (!a->is_stuck)
		a->stuck = moment_now();
	a->is_stuck = true;
}

bool mailbox_arrivals_settle(struct mailbox *m)
{
	struct mailbox_arrivals *a = m->store->arrivals;

	if (m->arriving == 0)
		return true;
	if (arrivals_flush_texts(a, m, true) && arrivals_name(m))
		return true;
	arrivals_get_stuck(a);
	return false;
}

static bool is_stuck_for_long(const struct mailbox_arrivals *a)
{
	return a->is_stuck && moment_between(a->stuck, moment_now()).us >
		span_s(PATIENCE_S).us;
}

bool mailbox_arrivals_show(struct mailbox *m)
{
	return mailbox_arrivals_settle(m) ||
		is_stuck_for_long(m->store->arrivals);
}

/* ---- their end in the list ---- */

/* Names of a mailbox, with their lines in the uidlist. */
static bool flush_names_here(const struct mailbox *m)
{
	char path[MAILBOX_PATH_MOST];
	struct arena *arena auto_arena = arena_new(0);

	return arrivals_flush_at(m->store,
			arrivals_path(m, "cur", NULL, path), true) &&
		arrivals_flush_at(m->store, arena_fmt(arena, "%sdovecot-uidlist",
			layout_prefix(&m->store->place, arena, m->name)).p,
			true);
}

void arrivals_end_named(struct mailbox_arrivals *a, const struct mailbox *m,
	bool only_under_way)
{
	list_each (at, &a->batches) {
		struct batch *b = batch_at(at);

		if (b->mailbox == m && b->state == NAMED &&
			(b->is_under_way || !only_under_way))
			b->state = DONE;
	}
}

/* Where the list begins now. */
bool arrivals_retire_done(struct mailbox_arrivals *a, bool here)
{
	uint64_t sequence = a->list.sequence;
	size_t place = a->list.at;

	for (struct list *at = a->batches.next; at != &a->batches;
		at = at->next) {
		const struct batch *b = batch_at(at);

		if (b->state == DONE)
			continue;
		sequence = b->sequence;
		place = b->at;
		break;
	}
	if (a->list.has_failed) {
		/* It can say nothing any more: without them it goes. */
		if (sequence == a->list.sequence && a->list.fd >= 0) {
			arriving_drop(&a->list);
			(void)!fsync(a->store->dir);
		}
		return true;
	}
	return a->list.head.sequence == sequence ||
		arriving_retire(&a->list, sequence, place, here);
}

bool mailbox_arrivals_retire(struct mailbox_store *store)
{
	struct mailbox_arrivals *a = store->arrivals;

	list_each (at, &a->batches)
		if (!mailbox_arrivals_settle(batch_at(at)->mailbox))
			return false;
	list_each (at, &a->batches) {
		const struct batch *b = batch_at(at);

		if (b->state != NAMED)
			continue;
		if (!flush_names_here(b->mailbox) && !arrivals_is_gone(b->mailbox))
			return false;
		arrivals_end_named(a, b->mailbox, false);
	}
	return list_is_empty(&a->batches) || arrivals_retire_done(a, true);
}

bool mailbox_arrivals_let_go(struct mailbox_store *store)
{
	return mailbox_arrivals_retire(store) ||
		is_stuck_for_long(store->arrivals);
}

bool mailbox_arrivals_hold(struct mailbox_store *store)
{
	if (!mailbox_arrivals_retire(store))
		return false;
	store->arrivals->held++;
	return true;
}

void mailbox_arrivals_release(struct mailbox_store *store)
{
	store->arrivals->held--;
}
