/*
 * imap/notify - what NOTIFY asks for: groups of mailboxes and their events.
 *
 * Source   RFC 5465 8
 * Memory   the arena given; slices of the command
 * Waits    no
 * Errors   see enum imap_notify_error
 */
#ifndef IMAP_NOTIFY_H
#define IMAP_NOTIFY_H

#include "imap/fetch.h"

enum {
	IMAP_GROUPS_MOST = 100,       /* of one command */
	IMAP_GROUP_NAMES_MOST = 1000, /* in one group */
};

enum imap_filter {
	IMAP_FILTER_SELECTED,
	IMAP_FILTER_SELECTED_DELAYED,
	IMAP_FILTER_INBOXES,
	IMAP_FILTER_PERSONAL,
	IMAP_FILTER_SUBSCRIBED,
	IMAP_FILTER_SUBTREE,
	IMAP_FILTER_MAILBOXES,
};

enum {
	IMAP_MESSAGE_NEW = 1,
	IMAP_MESSAGE_EXPUNGE = 2,
	IMAP_FLAG_CHANGE = 4,
	IMAP_MAILBOX_NAME = 8,
	IMAP_SUBSCRIPTION_CHANGE = 16,
	IMAP_MAILBOX_METADATA = 32,
	IMAP_SERVER_METADATA = 64,

	IMAP_MESSAGE_EVENTS = 7,
};

/* The names of all of them, as BADEVENT has them: RFC 5465 3.1. */
#define IMAP_EVENT_NAMES "MessageNew MessageExpunge FlagChange MailboxName " \
	"SubscriptionChange MailboxMetadataChange ServerMetadataChange"

struct imap_event_group {
	enum imap_filter filter;
	struct str *names; /* of SUBTREE and MAILBOXES, as on the wire */
	size_t count;
	unsigned events;   /* IMAP_* bits */
	bool has_fetch;    /* of MessageNew, for the selected mailbox */
	struct imap_fetch fetch;
};

struct imap_notify {
	bool is_none; /* NOTIFY NONE */
	bool status;
	struct imap_event_group *groups;
	size_t count, capacity;
};

enum imap_notify_error {
	IMAP_NOTIFY_OK,
	IMAP_NOTIFY_SYNTAX,
	IMAP_NOTIFY_BAD_EVENT, /* an event that we do not know */
};

/* The arguments of NOTIFY, all of `in`. */
must_check enum imap_notify_error imap_notify_parse(struct arena *arena,
	struct str in, struct imap_notify *notify);

#endif
