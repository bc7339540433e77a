/*
 * A mailbox's messages in memory follow the index.
 *
 * Who only looks (SELECT, flags) is content with what a pack tells
 * (mailbox/pack.h): then is_packed is set, and names, sizes and dates are not
 * known. Whoever changes the mailbox has all of it read first, in his
 * transaction; of a few messages they are read one by one.
 */
#include "mailbox/mailbox.h"

#include <stdlib.h>

#include "base/log.h"
#include "mailbox/arrivals.h"
#include "mailbox/pack.h"
#include "mailbox/store.h"

enum {
	PACK_LEAST = 500,   /* messages: for fewer it is not worth while */
	SINGLE_MOST = 200,  /* read one by one, then all of them */
};

void mailbox_drop_messages(struct mailbox *mailbox)
{
	for (size_t i = 0; i < mailbox->count; i++)
		free(mailbox->messages[i].name);
	mailbox->count = 0;
	mailbox->has_pending = false;
	mailbox->has_undated = false;
	mailbox->is_packed = false;
}

static void note(struct mailbox *mailbox, const struct index_message *message)
{
	if (message->flags & MAILBOX_PENDING)
		mailbox->has_pending = true;
	if (message->flags & MAILBOX_IN_NEW)
		mailbox->has_new = true;
	if (message->internal_s == MAILBOX_DATE_UNKNOWN ||
		message->saved_s == MAILBOX_DATE_UNKNOWN)
		mailbox->has_undated = true;
}

static void set_name(struct mailbox_message *m, struct str name)
{
	free(m->name);
	m->name = strndup(name.p, name.len);
	if (!m->name)
		starved("out of memory");
}

static struct mailbox_message *append(struct mailbox *mailbox,
	const struct index_message *message)
{
	struct mailbox_message *m;

	array_grow(&mailbox->messages, &mailbox->capacity,
		mailbox->count + 1, sizeof(*mailbox->messages));
	m = &mailbox->messages[mailbox->count++];
	*m = (struct mailbox_message){ .is = *message };
	note(mailbox, message);
	return m;
}

static void append_each(void *context, const struct index_message *message,
	struct str name)
{
	set_name(append(context, message), name);
}

/* ---- packs ---- */

static bool read_pack(struct mailbox *mailbox, struct index_txn *txn)
{
	struct index_message message;
	struct pack pack;
	struct str octets;

	if (!index_pack_find(txn, mailbox->row.id, &octets) ||
		!pack_open(octets, &mailbox->row, &pack))
		return false;
	array_grow(&mailbox->messages, &mailbox->capacity, pack.count,
		sizeof(*mailbox->messages));
	while (pack.taken < pack.count &&
		pack_take(&pack, &mailbox->row, &message))
		append(mailbox, &message);
	if (pack.taken == pack.count && mailbox->count == pack.count) {
		mailbox->has_undated = false; /* not known: mailbox_complete */
		mailbox->is_packed = true;
		mailbox->singles = 0;
		return true;
	}
	mailbox_drop_messages(mailbox);
	return false;
}

static void read_rows(struct mailbox *mailbox, struct index_txn *txn)
{
	mailbox_drop_messages(mailbox);
	mailbox->keeps_whole = true;
	index_messages_each(txn, mailbox->row.id, append_each, mailbox);
}

/* Rows beside the messages that a pack told of. */
struct completing {
	struct mailbox *mailbox;
	size_t at;
	bool ok;
};

static void fill_in(struct mailbox *mailbox, struct mailbox_message *m,
	const struct index_message *message, struct str name)
{
	m->is = *message;
	set_name(m, name);
	note(mailbox, message);
}

static void complete_each(void *context, const struct index_message *message,
	struct str name)
{
	struct completing *c = context;
	struct mailbox *m = c->mailbox;

	if (c->at == m->count || m->messages[c->at].is.uid != message->uid)
		c->ok = false;
	else
		fill_in(m, &m->messages[c->at++], message, name);
}

/* The row of the mailbox is as the index has it. */
static void complete(struct mailbox *mailbox, struct index_txn *txn)
{
	struct completing c = { .mailbox = mailbox, .ok = true };

	if (!mailbox->is_packed)
		return;
	index_messages_each(txn, mailbox->row.id, complete_each, &c);
	if (c.ok && c.at == mailbox->count) {
		mailbox->is_packed = false;
		mailbox->keeps_whole = true;
		return;
	}
	log_warning("%s: %s: what was packed is not what there is",
		mailbox->store->path, mailbox->name);
	read_rows(mailbox, txn);
	mailbox_changed(mailbox);
}

bool mailbox_is_packed(const struct mailbox *mailbox, struct index_txn *txn)
{
	struct str there;
	struct pack pack;

	return mailbox->count < PACK_LEAST ||
		(index_pack_find(txn, mailbox->row.id, &there) &&
			pack_open(there, &mailbox->row, &pack));
}

bool mailbox_pack(struct mailbox *mailbox, struct index_txn *txn)
{
	const struct index_message first = { .modseq = mailbox->row.modseq };
	const struct index_message *last = &first;
	struct arena *arena auto_arena = NULL;
	struct buf out;

	if (mailbox_is_packed(mailbox, txn))
		return true;
	arena = arena_new(0);
	out = BUF_IN(arena);
	pack_begin(&out, &mailbox->row, (uint32_t)mailbox->count);
	for (size_t i = 0; i < mailbox->count; i++) {
		pack_add(&out, last, &mailbox->messages[i].is);
		last = &mailbox->messages[i].is;
	}
	return index_pack_put(txn, mailbox->row.id, buf_str(&out));
}

/* ---- loading ---- */

static bool is_same(const struct index_mailbox *a,
	const struct index_mailbox *b)
{
	return a->id == b->id && a->uidvalidity == b->uidvalidity &&
		a->modseq == b->modseq && a->uidnext == b->uidnext &&
		a->names == b->names;
}

bool mailbox_look(struct mailbox *mailbox, struct index_txn *txn)
{
	struct index_mailbox row;
	bool same;

	if (!index_mailbox_find(txn, str_from(mailbox->name), &row))
		return false;
	mailbox->is_barred = index_arriving(txn) &&
		!mailbox_arrivals_are_ours(mailbox->store);
	same = is_same(&row, &mailbox->row);
	mailbox->row = row;
	if (same)
		return true;
	mailbox->changed_modseq = row.modseq;
	mailbox_drop_messages(mailbox);
	if (mailbox->keeps_whole || !read_pack(mailbox, txn))
		read_rows(mailbox, txn);
	mailbox_keywords_load(mailbox, txn);
	mailbox_changed(mailbox);
	return true;
}

bool mailbox_load(struct mailbox *mailbox, struct index_txn *txn)
{
	if (!mailbox_look(mailbox, txn))
		return false;
	complete(mailbox, txn);
	return true;
}

bool mailbox_complete(struct mailbox *mailbox)
{
	struct index_txn *txn;
	bool ok;

	if (!mailbox->is_packed)
		return true;
	txn = index_begin(mailbox->store->index, false);
	ok = txn && mailbox_load(mailbox, txn);
	index_abort(txn);
	return ok;
}

bool mailbox_fill_in(struct mailbox *mailbox, struct index_txn *txn,
	struct mailbox_message *message)
{
	struct index_message is;
	struct str name;

	if (message->name)
		return true;
	if (!index_message_find(txn, mailbox->row.id, message->is.uid, &is,
		&name))
		return false;
	fill_in(mailbox, message, &is, name);
	return true;
}

struct mailbox_message *mailbox_find_whole(struct mailbox *mailbox,
	uint32_t uid)
{
	struct mailbox_message *m = mailbox_find(mailbox, uid);
	struct index_mailbox row;
	struct index_txn *txn;
	bool ok;

	if (!m || m->name)
		return m;
	if (mailbox->singles++ < SINGLE_MOST) {
		txn = index_begin(mailbox->store->index, false);
		ok = txn && index_mailbox_find(txn, str_from(mailbox->name),
			&row) && is_same(&row, &mailbox->row) &&
			mailbox_fill_in(mailbox, txn, m);
		index_abort(txn);
		if (ok)
			return m;
	}
	if (!mailbox_complete(mailbox))
		return NULL;
	m = mailbox_find(mailbox, uid);
	return m && m->name ? m : NULL;
}

void mailbox_reload(struct mailbox *mailbox)
{
	struct index_txn *txn = index_begin(mailbox->store->index, false);

	mailbox->row.modseq = 0;
	mailbox->own_cur_ns = 0;
	if (txn && !mailbox_load(mailbox, txn))
		mailbox->is_removed = true;
	index_abort(txn);
}

/* ---- one message ---- */

bool mailbox_add(struct mailbox *mailbox, struct index_txn *txn,
	const struct index_message *message, const char *name)
{
	set_name(append(mailbox, message), str_from(name));
	return index_message_put(txn, mailbox->row.id, message,
		str_from(name));
}

bool mailbox_forget(struct mailbox *mailbox, struct index_txn *txn,
	uint32_t uid, uint64_t modseq)
{
	return index_message_remove(txn, mailbox->row.id, uid) &&
		index_expunged_put(txn, &mailbox->row, modseq, uid);
}
