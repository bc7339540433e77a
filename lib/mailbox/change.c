/*
 * Flags, expunging, copying and moving: one transaction of the index each.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/span.h"
#include "mailbox/arrivals.h"
#include "mailbox/remains.h"
#include "mailbox/store.h"

enum {
	SYSTEM = IMAP_ANSWERED | IMAP_FLAGGED | IMAP_DELETED | IMAP_SEEN |
		IMAP_DRAFT,
	SINGLE_MOST = 200, /* whose rows are read one by one */
};

bool mailbox_commit(struct mailbox *mailbox, struct index_txn *txn, bool ok)
{
	ok = ok && index_mailbox_put(txn, str_from(mailbox->name),
		&mailbox->row);
	if (!ok)
		index_abort(txn);
	else
		ok = index_commit(txn);
	if (!ok)
		mailbox_reload(mailbox);
	return ok;
}

static enum mailbox_result finish(struct mailbox *mailbox,
	struct index_txn *txn, bool ok)
{
	if (!mailbox_commit(mailbox, txn, ok))
		return MAILBOX_TRY_LATER;
	mailbox_store_soon(mailbox->store);
	mailbox_changed(mailbox);
	return MAILBOX_OK;
}

static struct index_txn *begin(struct mailbox *mailbox, bool whole)
{
	struct index_txn *txn;

	if (mailbox->is_removed)
		return NULL;
	txn = index_begin(mailbox->store->index, true);
	if (txn && !(whole ? mailbox_load : mailbox_look)(mailbox, txn)) {
		index_abort(txn);
		mailbox->is_removed = true;
		return NULL;
	}
	return txn;
}

static void apply(const struct mailbox_change *change, uint64_t keywords,
	struct index_message *m)
{
	unsigned kept = m->flags & ~(unsigned)SYSTEM;
	unsigned flags = change->flags->system & SYSTEM;

	if (change->mode == MAILBOX_FLAGS_ADD) {
		m->flags |= flags;
		m->keywords |= keywords;
	} else if (change->mode == MAILBOX_FLAGS_REMOVE) {
		m->flags &= ~flags;
		m->keywords &= ~keywords;
	} else {
		m->flags = kept | flags;
		m->keywords = keywords;
	}
}

/* False: the index refuses. */
static bool change_one(struct mailbox *mailbox, struct index_txn *txn,
	struct mailbox_message *m, struct mailbox_change *change,
	uint64_t keywords)
{
	struct index_message now = m->is;

	if (change->has_unchanged_since &&
		m->is.modseq > change->unchanged_since) {
		imap_set_add(change->arena, change->modified, m->is.uid);
		return true;
	}
	apply(change, keywords, &now);
	if (now.flags == m->is.flags && now.keywords == m->is.keywords)
		return true;
	now.flags |= MAILBOX_PENDING;
	now.modseq = change->modseq;
	m->is = now;
	mailbox->has_pending = true;
	mailbox->row.modseq = mailbox->changed_modseq = change->modseq;
	return index_message_put(txn, mailbox->row.id, &now,
		str_from(m->name));
}

enum mailbox_result mailbox_change(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, struct mailbox_change *change)
{
	struct index_txn *txn = begin(mailbox, count > SINGLE_MOST);
	enum mailbox_result result;
	uint64_t keywords;
	bool ok;

	if (!txn)
		return MAILBOX_TRY_LATER;
	change->modseq = mailbox->row.modseq + 1;
	result = mailbox_keywords_of(mailbox, txn, change->flags,
		change->mode == MAILBOX_FLAGS_REMOVE ?
			MAILBOX_KEYWORDS_KNOWN : MAILBOX_KEYWORDS_ALL,
		&keywords);
	if (result == MAILBOX_LIMIT) {
		index_abort(txn);
		mailbox_reload(mailbox);
		return result;
	}
	ok = result == MAILBOX_OK;
	for (size_t i = 0; ok && i < count; i++) {
		struct mailbox_message *m = mailbox_find(mailbox, uids[i]);

		if (m)
			ok = mailbox_fill_in(mailbox, txn, m) &&
				change_one(mailbox, txn, m, change, keywords);
	}
	return finish(mailbox, txn, ok);
}

/* ---- expunging ---- */

static bool is_among(const uint32_t *uids, size_t count, uint32_t uid)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && uids[low] == uid;
}

struct expunge {
	struct mailbox *mailbox;
	struct index_txn *txn;
	const struct mailbox_message **leaving;
	size_t count;
	bool is_put_off; /* files go behind the answer: mailbox/remains.h */
	bool ok;         /* the index has not refused */
	int error;       /* why one could not be removed */
};

/* The file goes before the row: killed between the two, the next scan finds
 * a row without file; the other way round a removed message would come back.
 * True: it is gone. */
static bool remove_file(struct expunge *e, struct mailbox_message *m)
{
	struct mailbox *mailbox = e->mailbox;
	struct mailbox_entry entry = mailbox_entry_of(m);

	if (!mailbox->store->driver->unlink(&mailbox->store->place,
		mailbox->name, &entry)) {
		/* Gone already, or renamed: the next scan tells. */
		if (errno != ENOENT)
			e->error = errno;
		mailbox_stamp_forget(mailbox);
		return false;
	}
	mailbox_store_unflushed(mailbox->store, mailbox->name,
		entry.is_new ? MAILBOX_NEW : MAILBOX_CUR);
	return true;
}

static bool remove_one(struct expunge *e, struct mailbox_message *m)
{
	struct mailbox *mailbox = e->mailbox;

	if (e->is_put_off)
		mailbox_remains_take(mailbox, m);
	else if (!remove_file(e, m))
		return false;
	if (!mailbox_forget(mailbox, e->txn, m->is.uid,
		mailbox->row.modseq + 1))
		e->ok = false;
	free(m->name);
	mailbox->garbage++;
	return true;
}

static void find_leaving(struct expunge *e, const uint32_t *uids,
	size_t count, bool any)
{
	const struct mailbox *mailbox = e->mailbox;

	for (size_t i = 0; i < mailbox->count; i++) {
		const struct mailbox_message *m = &mailbox->messages[i];

		if (is_among(uids, count, m->is.uid) &&
			(any || (m->is.flags & IMAP_DELETED)))
			e->leaving[e->count++] = m;
	}
}

/* One goes at once, all the same: what cannot be removed is told. */
static void remove_all(struct expunge *e)
{
	struct mailbox *mailbox = e->mailbox;
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < mailbox->count; i++) {
		struct mailbox_message *m = &mailbox->messages[i];
		bool leaves = at < e->count && e->leaving[at] == m;

		if (at == 1 && leaves && e->count >= REMAINS_LEAST &&
			e->error == 0 && !e->is_put_off)
			e->is_put_off = mailbox_remains_begin(mailbox,
				e->leaving + 1, e->count - 1);
		at += leaves;
		if (!leaves || !e->ok || !remove_one(e, m))
			mailbox->messages[kept++] = *m;
	}
	if (kept < mailbox->count)
		mailbox->row.modseq++;
	mailbox->count = kept;
}

enum mailbox_result mailbox_expunge(struct mailbox *mailbox,
	const uint32_t *uids, size_t count, bool any)
{
	struct arena *arena auto_arena = arena_new(0);
	struct expunge e = { .mailbox = mailbox, .ok = true };
	enum mailbox_result result;
	bool known;

	/* Names must be those on disk; no list brings them back. */
	if (mailbox_refresh(mailbox, false) != MAILBOX_OK ||
		!mailbox_arrivals_let_go(mailbox->store))
		return MAILBOX_TRY_LATER;
	e.txn = begin(mailbox, true);
	if (!e.txn)
		return MAILBOX_TRY_LATER;
	e.leaving = arena_array(arena, mailbox->count + 1,
		sizeof(*e.leaving));
	find_leaving(&e, uids, count, any);
	known = mailbox_stamp_cur_is_known(mailbox);
	remove_all(&e);
	mailbox_stamp_own(mailbox, known);
	result = finish(mailbox, e.txn, e.ok);
	if (e.is_put_off)
		mailbox_remains_end(mailbox, result == MAILBOX_OK);
	if (result != MAILBOX_OK || e.error == 0)
		return result;
	errno = e.error; /* the others are gone all the same */
	return mailbox_failed("remove a message from", mailbox->name);
}

/* ---- copying and moving ---- */

struct copy {
	struct arena *arena;
	struct mailbox *from, *to;
	struct index_txn *txn;
	struct imap_set *from_uids, *to_uids;
	struct mailbox_entry *made; /* to be taken back if it fails */
	size_t made_count;
	unsigned left;              /* MAILBOX_CUR, MAILBOX_NEW: by moving */
	bool move;
};

static uint64_t same_keywords(struct copy *copy, uint64_t bits, bool *ok)
{
	struct imap_flags names = { 0 };
	uint64_t same = 0;

	for (size_t i = 0; i < copy->from->keyword_count; i++)
		if ((bits >> i & 1) && copy->from->keywords[i])
			names.keywords[names.count++] =
				str_from(copy->from->keywords[i]);
	if (names.count)
		*ok = mailbox_keywords_of(copy->to, copy->txn, &names,
			MAILBOX_KEYWORDS_FIT, &same) == MAILBOX_OK;
	return same;
}

static enum mailbox_result copy_one(struct copy *copy, uint32_t uid)
{
	struct mailbox *to = copy->to, *from = copy->from;
	const struct mailbox_driver *driver = to->store->driver;
	struct mailbox_message *m = mailbox_find(from, uid);
	struct index_message is;
	struct mailbox_entry entry;
	const char *name;
	uint32_t new_uid;
	bool ok = true;

	if (!m)
		return MAILBOX_OK; /* expunged meanwhile: not there to copy */
	/* A second name of the file changes its date of saving. */
	if (!mailbox_date(from, copy->txn, m))
		return MAILBOX_TRY_LATER;
	is = m->is;
	is.keywords = same_keywords(copy, m->is.keywords, &ok);
	is.flags &= SYSTEM;
	name = driver->with_flags(copy->arena,
		driver->fresh(&to->store->place, copy->arena), is.flags,
		(uint32_t)(is.keywords & ((1u << MAILBOX_LETTERS) - 1)));
	m = mailbox_find(from, uid); /* from may be to */
	entry = mailbox_entry_of(m);
	new_uid = ok ? mailbox_next_uid(to) : 0;
	if (new_uid == 0)
		return MAILBOX_TRY_LATER;
	if (!(copy->move ? driver->move : driver->copy)(&to->store->place,
		from->name, &entry, to->name, name))
		return errno == ENOENT ? MAILBOX_EXPUNGED :
			mailbox_failed("copy to", to->name);
	copy->made[copy->made_count++] = (struct mailbox_entry){
		.name = name };
	/* A session may have moved it out of new/ a moment ago. */
	copy->left |= MAILBOX_CUR | (entry.is_new ? MAILBOX_NEW : 0);
	is.uid = new_uid;
	is.modseq = to->row.modseq + 1;
	is.saved_s = wall_us() / 1000000;
	if (!mailbox_add(to, copy->txn, &is, name) ||
		(copy->move && !mailbox_forget(from, copy->txn, uid,
			from->row.modseq + 1)))
		return MAILBOX_TRY_LATER;
	imap_set_add(copy->arena, copy->from_uids, uid);
	imap_set_add(copy->arena, copy->to_uids, new_uid);
	return MAILBOX_OK;
}

/* What was copied goes away again. A file that was moved stays where it is:
 * there it is found as a new message, so nothing is lost. */
static void take_back(struct copy *copy)
{
	for (size_t i = 0; !copy->move && i < copy->made_count; i++)
		if (!copy->to->store->driver->unlink(&copy->to->store->place,
			copy->to->name, &copy->made[i]))
			log_warning("%s: remove %s: %m",
				copy->to->store->path, copy->made[i].name);
	mailbox_stamp_forget(copy->to);
	mailbox_stamp_forget(copy->from);
}

static void leave_from(struct copy *copy)
{
	struct mailbox *from = copy->from;
	size_t kept = 0;

	for (size_t i = 0; i < from->count; i++) {
		if (!imap_set_has(copy->from_uids, from->messages[i].is.uid)) {
			from->messages[kept++] = from->messages[i];
			continue;
		}
		free(from->messages[i].name);
		from->garbage++;
	}
	if (kept < from->count)
		from->row.modseq++;
	from->count = kept;
}

static void note_unflushed(struct copy *copy)
{
	if (copy->made_count == 0)
		return;
	mailbox_store_unflushed(copy->to->store, copy->to->name, MAILBOX_CUR);
	if (copy->move)
		mailbox_store_unflushed(copy->from->store, copy->from->name,
			copy->left);
}

static enum mailbox_result copy_all(struct copy *copy, const uint32_t *uids,
	size_t count)
{
	enum mailbox_result result = MAILBOX_OK;
	size_t before = copy->to->count;

	for (size_t i = 0; result == MAILBOX_OK && i < count; i++)
		result = copy_one(copy, uids[i]);
	note_unflushed(copy);
	if (result != MAILBOX_OK)
		return result;
	if (copy->to->count > before) {
		mailbox_list_uids(copy->to, before);
		copy->to->row.modseq++;
	}
	if (copy->move)
		leave_from(copy);
	if (!index_mailbox_put(copy->txn, str_from(copy->from->name),
		&copy->from->row))
		return MAILBOX_TRY_LATER;
	return MAILBOX_OK;
}

/* Where they are now first: never neither. */
static enum mailbox_result make_durable(struct copy *copy)
{
	struct mailbox_store *store = copy->to->store;
	enum mailbox_result result =
		mailbox_store_flush(store, copy->to->name);

	return result == MAILBOX_OK && copy->move ?
		mailbox_store_flush(store, copy->from->name) : result;
}

enum mailbox_result mailbox_copy(struct arena *arena, struct mailbox *from,
	const uint32_t *uids, size_t count, struct mailbox *to, bool move,
	struct imap_set *from_uids, struct imap_set *to_uids)
{
	struct copy copy = { .arena = arena, .from = from, .to = to,
		.move = move, .from_uids = from_uids, .to_uids = to_uids };
	enum mailbox_result result;
	bool from_known, to_known;

	*from_uids = *to_uids = (struct imap_set){ 0 };
	if (mailbox_refresh(from, false) != MAILBOX_OK ||
		mailbox_refresh(to, false) != MAILBOX_OK ||
		(move && !mailbox_arrivals_let_go(to->store)))
		return MAILBOX_TRY_LATER;
	copy.made = arena_array(arena, count + 1, sizeof(*copy.made));
	copy.txn = begin(to, true);
	if (!copy.txn)
		return MAILBOX_TRY_LATER;
	if (!mailbox_load(from, copy.txn)) {
		index_abort(copy.txn);
		return MAILBOX_TRY_LATER;
	}
	from_known = mailbox_stamp_cur_is_known(from);
	to_known = mailbox_stamp_cur_is_known(to);
	result = count == 0 || (mailbox_arrivals_allow(to) &&
			mailbox_reserve_uids(to, count)) ?
		copy_all(&copy, uids, count) : MAILBOX_TRY_LATER;
	if (result != MAILBOX_OK) {
		take_back(&copy);
		index_abort(copy.txn);
		mailbox_reload(to);
		mailbox_reload(from);
		return result;
	}
	mailbox_stamp_own(to, to_known);
	if (move && from != to) {
		mailbox_stamp_own(from, from_known);
		if (!index_mailbox_put(copy.txn, str_from(from->name),
			&from->row)) {
			take_back(&copy);
			index_abort(copy.txn);
			mailbox_reload(from);
			return MAILBOX_TRY_LATER;
		}
	}
	result = finish(to, copy.txn, true);
	if (move)
		mailbox_changed(from);
	if (result == MAILBOX_OK)
		result = make_durable(&copy);
	if (result != MAILBOX_OK)
		take_back(&copy);
	return result;
}
