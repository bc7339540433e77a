/*
 * Names of mailboxes, subscriptions and annotations, for NOTIFY: LIST and
 * METADATA when something happened (RFC 5465 5.4 to 5.7).
 */
#include "notify.h"

static size_t place_of(const struct mailbox_names *names, struct str name)
{
	size_t at = 0;

	while (at < names->count && !str_eq(names->names[at], name))
		at++;
	return at;
}

/* They are in order: INBOX first, then by octets. */
bool names_has(const struct mailbox_names *names, struct str name)
{
	bool has_inbox = names->count && str_is(names->names[0], "INBOX");
	size_t low = has_inbox, high = names->count;

	if (str_is(name, "INBOX"))
		return has_inbox;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(names->names[middle], name);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

void names_put(struct arena *arena, struct mailbox_names *names,
	struct str name, bool there)
{
	size_t at = place_of(names, name);
	struct str *more;

	if (!there && at < names->count) {
		memmove(names->names + at, names->names + at + 1,
			(names->count - at - 1) * sizeof(name));
		names->count--;
	}
	if (!there || at < names->count)
		return;
	more = arena_array(arena, names->count + 1, sizeof(name));
	for (at = 0; at < names->count && (str_is(names->names[at], "INBOX") ||
		str_cmp(names->names[at], name) < 0); at++)
		more[at] = names->names[at];
	more[at] = arena_copy(arena, name);
	for (; at < names->count; at++)
		more[at + 1] = names->names[at];
	names->names = more;
	names->count++;
}

static bool is_wanted(const struct notify *n, struct str name,
	const struct mailbox_names *subscribed, unsigned event)
{
	return notify_wanted(n, name, names_has(subscribed, name)) & event;
}

/* ---- names ---- */

/* Empty: none; INBOX, if all others are shown below it. */
static struct str parent_of(const struct session *s, struct str name)
{
	size_t dot = str_rfind_char(name, '.');

	if (dot != SIZE_MAX)
		return str_first(name, dot);
	return mailbox_namespace_is_below_inbox(s->ns) &&
		!str_is(name, "INBOX") ? STR("INBOX") : STR("");
}

/* The mailbox and its parent are affected. */
static void tell_name(struct notify *n, struct str name)
{
	const struct mailbox_names *subscribed = &n->others.subscribed;
	struct str parent = parent_of(n->s, name);

	if (is_wanted(n, name, subscribed, IMAP_MAILBOX_NAME))
		list_tell_event(n->s, name, STR_NONE);
	if (parent.len &&
		is_wanted(n, parent, subscribed, IMAP_MAILBOX_NAME))
		list_tell_event(n->s, parent, STR_NONE);
}

/* In one list and not in the other. */
static void tell_differences(struct notify *n,
	const struct mailbox_names *before, const struct mailbox_names *now,
	void (*tell)(struct notify *, struct str name))
{
	for (size_t i = 0; i < now->count; i++)
		if (!names_has(before, now->names[i]))
			tell(n, now->names[i]);
	for (size_t i = 0; i < before->count; i++)
		if (!names_has(now, before->names[i]))
			tell(n, before->names[i]);
}

/* What was known of it moves with it. */
static void rename_known(struct notify *n, const struct heard *h)
{
	struct mailbox_names *names = &n->others.names;
	struct mailbox_names old = *names;
	struct arena *arena = n->others.arena;

	names->names = NULL;
	names->count = 0;
	for (size_t i = 0; i < old.count; i++) {
		struct str name = old.names[i], rest = name;

		if (str_take_prefix(&rest, h->other) && (rest.len == 0 ||
			rest.p[0] == '.'))
			name = arena_join(arena, h->name, rest);
		names_put(arena, names, name, true);
	}
}

static void tell_renamed(struct notify *n, const struct heard *h)
{
	const struct mailbox_names *subscribed = &n->others.subscribed;

	rename_known(n, h);
	if (!h->is_own &&
		(is_wanted(n, h->name, subscribed, IMAP_MAILBOX_NAME) ||
			is_wanted(n, h->other, subscribed, IMAP_MAILBOX_NAME)))
		list_tell_event(n->s, h->name, h->other);
}

/* ---- subscriptions and annotations ---- */

static void tell_subscription(struct notify *n, struct str name)
{
	/* Of the filter "subscribed" it is, or was a moment ago. */
	if (notify_wanted(n, name, true) & IMAP_SUBSCRIPTION_CHANGE)
		list_tell_event(n->s, name, STR_NONE);
}

static bool wants_of_server(const struct notify *n)
{
	for (size_t i = 0; i < n->asked.count; i++)
		if (n->asked.groups[i].events & IMAP_SERVER_METADATA)
			return true;
	return false;
}

static void tell_metadata(struct notify *n, const struct heard *h)
{
	struct buf out = BUF_IN(n->s->command);
	bool wanted = h->name.len == 0 ? wants_of_server(n) :
		is_wanted(n, h->name, &n->others.subscribed,
			IMAP_MAILBOX_METADATA);

	if (h->is_own || !wanted)
		return;
	buf_text(&out, "* METADATA ");
	if (h->name.len)
		name_format(n->s, &out, h->name);
	else
		buf_text(&out, "\"\"");
	buf_fmt(&out, " %.*s\r\n", STR_ARG(h->other));
	io_write(n->s->io, buf_str(&out));
}

void names_tell_heard(struct notify *n)
{
	for (size_t i = 0; i < n->heard_count; i++)
		if (n->heard[i].kind == MAILBOX_EVENT_RENAMED)
			tell_renamed(n, &n->heard[i]);
		else
			tell_metadata(n, &n->heard[i]);
	n->heard = NULL;
	n->heard_count = n->heard_capacity = 0;
	arena_reset(n->heard_arena);
}

void names_tell(struct notify *n, const struct others *now)
{
	tell_differences(n, &n->others.names, &now->names, tell_name);
	tell_differences(n, &n->others.subscribed, &now->subscribed,
		tell_subscription);
}
