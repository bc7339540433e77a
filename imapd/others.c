/*
 * Mailboxes that are not selected, for NOTIFY: STATUS when something happened.
 */
#include "notify.h"

#include <stdlib.h>

enum {
	OTHERS_MOST = 2000, /* mailboxes that one connection watches */
};

/* ---- which they are ---- */

/* As mailbox_store_list orders them. */
static int order(const void *a, const void *b)
{
	struct str x = ((const struct other *)a)->name;
	struct str y = ((const struct other *)b)->name;
	bool x_inbox = str_is(x, "INBOX"), y_inbox = str_is(y, "INBOX");

	return x_inbox != y_inbox ? (x_inbox ? -1 : 1) : str_cmp(x, y);
}

static struct other *find(const struct others *others, struct str name)
{
	const struct other key = { .name = name };

	return others->count == 0 ? NULL : bsearch(&key, others->items,
		others->count, sizeof(key), order);
}

static void remember(struct other *o, const struct mailbox *m)
{
	o->uidvalidity = m->row.uidvalidity;
	o->uidnext = m->row.uidnext;
	o->modseq = m->row.modseq;
	o->count = m->count;
}

/* False: it is gone already. */
static bool begin(struct notify *n, struct other *o)
{
	struct mailbox *m;

	if (mailbox_open(n->s->store, o->name, &m) != MAILBOX_OK)
		return false;
	o->watch = mailbox_watch_begin(n->s->store, m->name);
	remember(o, m);
	mailbox_close(m);
	return true;
}

static bool pick(struct notify *n, struct others *now)
{
	struct mailbox_names *names = &now->names;

	now->items = arena_array(now->arena, names->count + 1,
		sizeof(*now->items));
	for (size_t i = 0; i < names->count; i++) {
		struct other o = { .name = names->names[i] }, *before;

		o.events = notify_wanted(n, o.name,
			names_has(&now->subscribed, o.name)) &
			IMAP_MESSAGE_EVENTS;
		if (!o.events)
			continue;
		before = find(&n->others, o.name);
		if (before) {
			struct str name = o.name;
			unsigned events = o.events;

			o = *before;
			o.name = name;
			o.events = events;
		}
		if (now->count == OTHERS_MOST)
			return false;
		now->items[now->count++] = o;
	}
	return true;
}

/* Those that stay keep their watch, the others begin or end. */
static void take(struct notify *n, struct others *now)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->others.count; i++)
		if (!find(now, n->others.items[i].name))
			mailbox_watch_end(n->s->store,
				n->others.items[i].watch);
	for (size_t i = 0; i < now->count; i++)
		if (now->items[i].watch || begin(n, &now->items[i]))
			now->items[kept++] = now->items[i];
	now->count = kept;
	arena_free(n->others.arena);
	n->others = *now;
}

bool others_list(struct notify *n, struct others *now)
{
	struct mailbox_store *store = n->s->store;

	*now = (struct others){ .arena = arena_child(n->arena) };
	if (mailbox_store_list(store, now->arena, &now->names) == MAILBOX_OK &&
		mailbox_store_subscriptions(store, now->arena,
			&now->subscribed) == MAILBOX_OK)
		return true;
	arena_free(now->arena);
	return false;
}

bool others_take(struct notify *n, struct others *now)
{
	if (!pick(n, now)) {
		arena_free(now->arena);
		return false;
	}
	take(n, now);
	return true;
}

void others_end(struct notify *n)
{
	for (size_t i = 0; i < n->others.count; i++)
		mailbox_watch_end(n->s->store, n->others.items[i].watch);
	n->others.count = 0;
	n->has_dirty = false;
}

/* ---- something happened ---- */

void others_heard(struct notify *n, struct str name)
{
	struct other *o = find(&n->others, name);

	if (o)
		o->is_dirty = n->has_dirty = true;
}

void others_all_dirty(struct notify *n, bool unwatched_only)
{
	for (size_t i = 0; i < n->others.count; i++) {
		struct other *o = &n->others.items[i];

		if (unwatched_only && mailbox_watch_works(o->watch))
			continue;
		o->is_dirty = n->has_dirty = true;
	}
}

bool others_must_poll(const struct notify *n)
{
	for (size_t i = 0; i < n->others.count; i++)
		if (!mailbox_watch_works(n->others.items[i].watch))
			return true;
	return false;
}

static bool has_changed_flags(const struct other *o, const struct mailbox *m)
{
	for (size_t i = 0; i < m->count && m->messages[i].is.uid < o->uidnext;
		i++)
		if (m->messages[i].is.modseq > o->modseq)
			return true;
	return false;
}

static unsigned what_happened(const struct other *o, const struct mailbox *m)
{
	unsigned events = 0;
	size_t old = 0;

	if (o->uidvalidity != m->row.uidvalidity)
		return IMAP_MESSAGE_EVENTS;
	if (o->modseq == m->row.modseq && o->uidnext == m->row.uidnext &&
		o->count == m->count)
		return 0;
	while (old < m->count && m->messages[old].is.uid < o->uidnext)
		old++;
	if (old < m->count)
		events |= IMAP_MESSAGE_NEW;
	if (old < o->count)
		events |= IMAP_MESSAGE_EXPUNGE;
	if (has_changed_flags(o, m))
		events |= IMAP_FLAG_CHANGE;
	return events;
}

void notify_own_messages(struct session *s, const struct mailbox *m,
	uint32_t from, uint32_t count)
{
	struct notify *n = s->notify;
	struct other *o;

	if (!n || count == 0)
		return;
	if (s->view && s->view->mailbox == m)
		imap_set_add_range(n->own_arena, &n->own, from,
			from + count - 1);
	o = find(&n->others, str_from(m->name));
	/* What others did as well must be told. */
	if (o && o->uidnext == from && o->count + count == m->count &&
		what_happened(o, m) == IMAP_MESSAGE_NEW)
		remember(o, m);
}

void notify_left(struct session *s)
{
	const struct mailbox *m = s->view->mailbox;
	struct other *o = !s->notify ? NULL :
		find(&s->notify->others, str_from(m->name));

	if (!o || m->is_removed)
		return;
	if (mailbox_view_has_news(s->view, MAILBOX_LOOK_ALL))
		o->is_dirty = s->notify->has_dirty = true;
	else
		remember(o, m);
}

/* ---- telling ---- */

static bool is_selected(const struct notify *n, const struct other *o)
{
	return n->s->view && str_is(o->name, n->s->view->mailbox->name);
}

static void tell(struct notify *n, const struct other *o, unsigned items)
{
	if (items && status_tell(n->s, o->name, items, false) == MAILBOX_TRY_LATER)
		io_text(n->s->io, "* NO A mailbox cannot be read\r\n");
}

void others_tell_first(struct notify *n)
{
	for (size_t i = 0; i < n->others.count; i++) {
		const struct other *o = &n->others.items[i];
		unsigned items = 0;

		if (is_selected(n, o))
			continue;
		if (o->events & (IMAP_MESSAGE_NEW | IMAP_MESSAGE_EXPUNGE))
			items |= STATUS_MESSAGES | STATUS_UIDNEXT |
				STATUS_UIDVALIDITY;
		if ((o->events & IMAP_FLAG_CHANGE) || n->s->condstore)
			items |= STATUS_HIGHESTMODSEQ | STATUS_UIDVALIDITY;
		tell(n, o, items);
	}
}

/* RFC 5465 5.1 to 5.3. */
static unsigned items_of(const struct notify *n, unsigned events)
{
	unsigned items = 0;

	if (events & (IMAP_MESSAGE_NEW | IMAP_MESSAGE_EXPUNGE))
		items |= STATUS_UIDNEXT | STATUS_MESSAGES;
	if (events & IMAP_FLAG_CHANGE)
		items |= STATUS_UIDVALIDITY | STATUS_UNSEEN;
	if (items && n->s->condstore)
		items |= STATUS_HIGHESTMODSEQ;
	return items;
}

static void look_at(struct notify *n, struct other *o)
{
	enum mailbox_result result;
	unsigned events = 0;
	struct mailbox *m;

	o->is_dirty = false; /* what happens while we write is news again */
	result = mailbox_open(n->s->store, o->name, &m);
	if (result != MAILBOX_OK)
		return; /* names.c hears of it */
	events = what_happened(o, m) & o->events;
	if (o->uidvalidity != m->row.uidvalidity)
		events |= IMAP_FLAG_CHANGE; /* tells UIDVALIDITY */
	remember(o, m);
	mailbox_close(m);
	if (!is_selected(n, o))
		tell(n, o, items_of(n, events));
}

void others_tell(struct notify *n)
{
	n->has_dirty = false;
	for (size_t i = 0; i < n->others.count; i++)
		if (n->others.items[i].is_dirty)
			look_at(n, &n->others.items[i]);
}
