/*
 * NOTIFY: what is asked for, and what this connection hears of the store.
 */
#include "notify.h"

enum {
	HEARD_MOST = 500, /* between two looks; more is too much */
};

/* ---- what is wanted ---- */

/* name: as it is shown, as are those of groups. */
static bool is_in_group(const struct session *s,
	const struct imap_event_group *group, struct str name,
	bool is_subscribed)
{
	switch (group->filter) {
	case IMAP_FILTER_SELECTED:
	case IMAP_FILTER_SELECTED_DELAYED:
		return false;
	case IMAP_FILTER_INBOXES: /* mail may be delivered to any of them */
	case IMAP_FILTER_PERSONAL:
		return true;
	case IMAP_FILTER_SUBSCRIBED:
		return is_subscribed;
	case IMAP_FILTER_SUBTREE:
	case IMAP_FILTER_MAILBOXES:
		break;
	}
	for (size_t i = 0; i < group->count; i++) {
		struct str rest = name;

		if (str_eq(name, group->names[i]) ||
			(group->filter == IMAP_FILTER_SUBTREE &&
				str_take_prefix(&rest, group->names[i]) &&
				str_take_char(&rest, s->ns->separator)))
			return true;
	}
	return false;
}

unsigned notify_wanted(const struct notify *n, struct str name,
	bool is_subscribed)
{
	unsigned events = 0;

	name = name_shown(n->s, name);
	for (size_t i = 0; i < n->asked.count; i++)
		if (is_in_group(n->s, &n->asked.groups[i], name,
			is_subscribed))
			events |= n->asked.groups[i].events;
	return events;
}

unsigned notify_look(const struct session *s, bool between)
{
	unsigned look = 0;

	if (!s->notify)
		return s->hold_expunges ?
			MAILBOX_LOOK_ALL & ~(unsigned)MAILBOX_LOOK_EXPUNGED :
			MAILBOX_LOOK_ALL;
	if (s->notify->selected & IMAP_MESSAGE_NEW)
		look |= MAILBOX_LOOK_NEW;
	if ((s->notify->selected & IMAP_MESSAGE_EXPUNGE) &&
		!s->hold_expunges && !(between && s->notify->is_delayed))
		look |= MAILBOX_LOOK_EXPUNGED;
	if (s->notify->selected & IMAP_FLAG_CHANGE)
		look |= MAILBOX_LOOK_CHANGED;
	return look;
}

/* ---- hearing ---- */

static void add_heard(struct notify *n, const struct mailbox_event *event)
{
	if (n->heard_count == HEARD_MOST) {
		n->is_too_much = true;
		return;
	}
	arena_grow(n->heard_arena, &n->heard, &n->heard_capacity,
		n->heard_count + 1, sizeof(*n->heard));
	n->heard[n->heard_count++] = (struct heard){
		.kind = event->kind,
		.name = arena_copy(n->heard_arena, event->name),
		.other = arena_copy(n->heard_arena, event->other),
	};
}

static void hear(void *context, const struct mailbox_event *event)
{
	struct notify *n = context;

	switch (event->kind) {
	case MAILBOX_EVENT_MESSAGES:
		others_heard(n, event->name);
		break;
	case MAILBOX_EVENT_ALL:
		others_all_dirty(n, false);
		n->names_changed = n->subscriptions_changed = true;
		break;
	case MAILBOX_EVENT_NAMES:
		n->names_changed = true;
		break;
	case MAILBOX_EVENT_SUBSCRIPTIONS:
		n->subscriptions_changed = true;
		break;
	case MAILBOX_EVENT_RENAMED:
	case MAILBOX_EVENT_METADATA:
		add_heard(n, event);
		break;
	}
	if (notify_has_news(n->s))
		session_wake(n->s);
}

bool notify_has_news(const struct session *s)
{
	const struct notify *n = s->notify;

	return n && (n->names_changed || n->subscriptions_changed ||
		n->has_dirty || n->heard_count > 0 || n->is_too_much);
}

void notify_own(struct session *s, enum mailbox_event_kind kind,
	struct str name, struct str other)
{
	struct notify *n = s->notify;

	for (size_t i = n ? n->heard_count : 0; i-- > 0;) {
		struct heard *h = &n->heard[i];

		if (h->is_own || h->kind != kind || !str_eq(h->name, name) ||
			!str_eq(h->other, other))
			continue;
		h->is_own = true;
		return;
	}
}

void notify_own_name(struct session *s, struct str name, bool there)
{
	struct notify *n = s->notify;

	if (n)
		names_put(n->others.arena, &n->others.names, name, there);
}

void notify_own_subscription(struct session *s, struct str name, bool there)
{
	struct notify *n = s->notify;

	if (n)
		names_put(n->others.arena, &n->others.subscribed,
			mailbox_name_of(name), there);
}

/* ---- telling ---- */

static void overflow(struct session *s)
{
	struct notify *n = s->notify;

	io_text(s->io, "* OK [NOTIFICATIONOVERFLOW] Too much happens; "
		"as after NOTIFY NONE\r\n");
	n->asked = (struct imap_notify){ .is_none = true };
	n->selected = 0;
	n->fetch = NULL;
	others_end(n);
	mailbox_unobserve(&n->observer);
	n->names_changed = n->subscriptions_changed = n->is_too_much = false;
	n->heard_count = 0;
}

/* Writing may wait, and something happen meanwhile: it is told the next time,
 * as each flag goes down before what it stands for is looked at. */
void notify_tell(struct session *s)
{
	struct notify *n = s->notify;
	struct others now;

	if (!notify_has_news(s))
		return;
	if (!n->is_too_much && (n->names_changed ||
		n->subscriptions_changed || n->heard_count > 0)) {
		n->names_changed = n->subscriptions_changed = false;
		names_tell_heard(n);
		if (!others_list(n, &now)) {
			n->is_too_much = true;
		} else {
			names_tell(n, &now);
			n->is_too_much = !others_take(n, &now) ||
				n->is_too_much;
		}
	}
	if (n->is_too_much)
		overflow(s);
	else
		others_tell(n);
}

bool notify_must_poll(const struct session *s)
{
	return s->notify && others_must_poll(s->notify);
}

void notify_poll(struct session *s)
{
	if (s->notify)
		others_all_dirty(s->notify, true);
}

const struct imap_fetch *notify_fetch(const struct session *s)
{
	return s->notify ? s->notify->fetch : NULL;
}

bool notify_is_own_message(const struct session *s, uint32_t uid)
{
	return imap_set_has(&s->notify->own, uid);
}

void notify_forget_own_messages(struct session *s)
{
	s->notify->own = (struct imap_set){ 0 };
	arena_reset(s->notify->own_arena);
}

void notify_end(struct session *s)
{
	struct notify *n = s->notify;

	if (!n)
		return;
	mailbox_unobserve(&n->observer);
	others_end(n);
	s->notify = NULL;
	arena_free(n->arena);
}

/* ---- the command ---- */

/* Names in groups are as they are shown, in modified UTF-7. */
static void take_names(struct notify *n)
{
	struct session *s = n->s;

	for (size_t i = 0; i < n->asked.count; i++) {
		struct imap_event_group *group = &n->asked.groups[i];

		for (size_t k = 0; k < group->count; k++)
			group->names[k] = arena_copy(n->arena,
				mailbox_name_of(name_shown_of_wire(s,
					group->names[k])));
	}
}

static void take_selected(struct notify *n)
{
	for (size_t i = 0; i < n->asked.count; i++) {
		struct imap_event_group *group = &n->asked.groups[i];

		if (group->filter != IMAP_FILTER_SELECTED &&
			group->filter != IMAP_FILTER_SELECTED_DELAYED)
			continue;
		n->selected = group->events;
		n->is_delayed = group->filter == IMAP_FILTER_SELECTED_DELAYED;
		if (!group->has_fetch)
			continue;
		/* Nobody asked to have them read. */
		for (size_t k = 0; k < group->fetch.count; k++)
			group->fetch.sections[k].peek = true;
		n->fetch = &group->fetch;
		if (group->fetch.items & IMAP_FETCH_MODSEQ)
			use_condstore(n->s);
	}
}

static struct notify *new_notify(struct session *s)
{
	struct arena *arena = arena_child(s->arena);
	struct notify *n = arena_new_of(arena, struct notify);

	*n = (struct notify){ .s = s, .arena = arena,
		.heard_arena = arena_child(arena),
		.own_arena = arena_child(arena),
		.observer = { .hear = hear, .context = n } };
	return n;
}

static struct answer begin(struct session *s, struct notify *n)
{
	struct others now;

	take_names(n);
	if (!n->asked.is_none &&
		(!others_list(n, &now) || !others_take(n, &now))) {
		arena_free(n->arena);
		return NO_("[NOTIFICATIONOVERFLOW] Too many mailboxes");
	}
	notify_end(s);
	s->notify = n;
	take_selected(n);
	if (!n->asked.is_none)
		mailbox_observe(s->store, &n->observer);
	if (n->asked.status)
		others_tell_first(n);
	if (s->view && mailbox_refresh(s->view->mailbox,
		!s->view->read_only) == MAILBOX_TRY_LATER)
		return answer_of(MAILBOX_TRY_LATER, NULL);
	return OK_("Notify completed");
}

struct answer verb_notify(struct session *s, struct str args)
{
	struct notify *n = new_notify(s);

	switch (imap_notify_parse(n->arena, arena_copy(n->arena, args),
		&n->asked)) {
	case IMAP_NOTIFY_OK:
		return begin(s, n);
	case IMAP_NOTIFY_BAD_EVENT:
		arena_free(n->arena);
		return NO_("[BADEVENT (" IMAP_EVENT_NAMES ")] No such event");
	case IMAP_NOTIFY_SYNTAX:
		break;
	}
	arena_free(n->arena);
	return BAD_SYNTAX;
}
