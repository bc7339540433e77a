#include "imap/notify.h"

#include "imap/take.h"

static const struct {
	const char *name;
	enum imap_filter filter;
	bool has_names;
} filters[] = {
	{ "SELECTED", IMAP_FILTER_SELECTED, false },
	{ "SELECTED-DELAYED", IMAP_FILTER_SELECTED_DELAYED, false },
	{ "INBOXES", IMAP_FILTER_INBOXES, false },
	{ "PERSONAL", IMAP_FILTER_PERSONAL, false },
	{ "SUBSCRIBED", IMAP_FILTER_SUBSCRIBED, false },
	{ "SUBTREE", IMAP_FILTER_SUBTREE, true },
	{ "MAILBOXES", IMAP_FILTER_MAILBOXES, true },
};

static const struct {
	const char *name;
	unsigned bit;
} events[] = {
	{ "MessageNew", IMAP_MESSAGE_NEW },
	{ "MessageExpunge", IMAP_MESSAGE_EXPUNGE },
	{ "FlagChange", IMAP_FLAG_CHANGE },
	{ "MailboxName", IMAP_MAILBOX_NAME },
	{ "SubscriptionChange", IMAP_SUBSCRIPTION_CHANGE },
	{ "MailboxMetadataChange", IMAP_MAILBOX_METADATA },
	{ "ServerMetadataChange", IMAP_SERVER_METADATA },
};

static bool is_of_selected(const struct imap_event_group *group)
{
	return group->filter == IMAP_FILTER_SELECTED ||
		group->filter == IMAP_FILTER_SELECTED_DELAYED;
}

/* A mailbox, or several in parentheses. */
static bool take_names(struct arena *arena, struct str *in,
	struct imap_event_group *group)
{
	bool many = str_take_char(in, '(');
	size_t capacity = 0;

	do {
		if (group->count == IMAP_GROUP_NAMES_MOST)
			return false;
		arena_grow(arena, &group->names, &capacity, group->count + 1,
			sizeof(*group->names));
		if (!imap_take_astring(arena, in,
			&group->names[group->count++]))
			return false;
	} while (many && str_take_char(in, ' '));
	return !many || str_take_char(in, ')');
}

static bool take_filter(struct arena *arena, struct str *in,
	struct imap_event_group *group)
{
	struct str word;

	if (!imap_take_atom(in, &word))
		return false;
	for (size_t i = 0; i < COUNT(filters); i++) {
		if (!str_is_nocase(word, filters[i].name))
			continue;
		group->filter = filters[i].filter;
		return !filters[i].has_names || (str_take_char(in, ' ') &&
			take_names(arena, in, group));
	}
	return false;
}

static enum imap_notify_error take_event(struct arena *arena,
	struct str *in, struct imap_event_group *group)
{
	struct str word;

	if (!imap_take_atom(in, &word))
		return IMAP_NOTIFY_SYNTAX;
	for (size_t i = 0; i < COUNT(events); i++) {
		if (!str_is_nocase(word, events[i].name))
			continue;
		group->events |= events[i].bit;
		if (events[i].bit != IMAP_MESSAGE_NEW ||
			!str_starts(*in, STR(" (")))
			return IMAP_NOTIFY_OK;
		*in = str_skip(*in, 1);
		group->has_fetch = true;
		return imap_fetch_take_items(arena, in, &group->fetch) ?
			IMAP_NOTIFY_OK : IMAP_NOTIFY_SYNTAX;
	}
	return IMAP_NOTIFY_BAD_EVENT;
}

/* The parentheses may be missing, as in the example of RFC 5465 3.1. */
static enum imap_notify_error take_events(struct arena *arena,
	struct str *in, struct imap_event_group *group)
{
	bool enclosed = str_take_char(in, '(');

	if (!enclosed && str_take_prefix_nocase(in, STR("NONE")))
		return IMAP_NOTIFY_OK;
	do {
		enum imap_notify_error error = take_event(arena, in, group);

		if (error != IMAP_NOTIFY_OK)
			return error;
	} while (str_take_char(in, ' '));
	return !enclosed || str_take_char(in, ')') ? IMAP_NOTIFY_OK :
						     IMAP_NOTIFY_SYNTAX;
}

/* RFC 5465 5: new and expunged messages go together, flags need them. */
static bool is_sound(const struct imap_event_group *group)
{
	unsigned of_messages = group->events & IMAP_MESSAGE_EVENTS;
	unsigned both = IMAP_MESSAGE_NEW | IMAP_MESSAGE_EXPUNGE;

	if (of_messages && (of_messages & both) != both)
		return false;
	return is_of_selected(group) ? of_messages == group->events :
				       !group->has_fetch;
}

static enum imap_notify_error take_group(struct arena *arena, struct str *in,
	struct imap_event_group *group)
{
	enum imap_notify_error error;

	*group = (struct imap_event_group){ 0 };
	if (!str_take_char(in, '(') || !take_filter(arena, in, group) ||
		!str_take_char(in, ' '))
		return IMAP_NOTIFY_SYNTAX;
	error = take_events(arena, in, group);
	if (error != IMAP_NOTIFY_OK)
		return error;
	return str_take_char(in, ')') && is_sound(group) ? IMAP_NOTIFY_OK :
							   IMAP_NOTIFY_SYNTAX;
}

static enum imap_notify_error take_groups(struct arena *arena,
	struct str *in, struct imap_notify *notify)
{
	size_t selected = 0;

	do {
		enum imap_notify_error error;

		if (notify->count == IMAP_GROUPS_MOST)
			return IMAP_NOTIFY_SYNTAX;
		arena_grow(arena, &notify->groups, &notify->capacity,
			notify->count + 1, sizeof(*notify->groups));
		error = take_group(arena, in, &notify->groups[notify->count]);
		if (error != IMAP_NOTIFY_OK)
			return error;
		selected += is_of_selected(&notify->groups[notify->count++]);
	} while (str_take_char(in, ' '));
	/* RFC 5465 6.1 */
	return selected <= 1 ? IMAP_NOTIFY_OK : IMAP_NOTIFY_SYNTAX;
}

enum imap_notify_error imap_notify_parse(struct arena *arena, struct str in,
	struct imap_notify *notify)
{
	enum imap_notify_error error;

	*notify = (struct imap_notify){ 0 };
	if (str_is_nocase(in, "NONE")) {
		notify->is_none = true;
		return IMAP_NOTIFY_OK;
	}
	if (!str_take_prefix_nocase(&in, STR("SET ")))
		return IMAP_NOTIFY_SYNTAX;
	notify->status = str_take_prefix_nocase(&in, STR("STATUS "));
	error = take_groups(arena, &in, notify);
	if (error == IMAP_NOTIFY_OK && in.len > 0)
		return IMAP_NOTIFY_SYNTAX;
	return error;
}
