/*
 * mailbox/extension - mail to user+lists@ goes to the mailbox "lists" of the
 * user, if the administrator wants that. For delivery agents, in the process
 * that is the owner of the mail; the index is not touched.
 *
 * The extension is the name as clients know it, in UTF-8, without the prefix of
 * the namespace. What cannot be a mailbox, or is none and may not be made, is
 * INBOX: mail is never refused for its extension.
 *
 * Settings  mailbox_extension_delivery, mailbox_extension_autocreate,
 *           mailbox_extension_autosubscribe; mailbox_layout,
 *           mailbox_list_utf8, imap_namespace_separator
 * Memory    the arena given
 * Waits     when a mailbox is made: until it is durable
 */
#ifndef MAILBOX_EXTENSION_H
#define MAILBOX_EXTENSION_H

#include "config/config.h"
#include "mailbox/layout.h"

/* The Maildir to deliver to: `maildir` (relative to `base`, or absolute), or
 * the folder in it. extension: NONE or empty is none. *is_made: it is new, and
 * its way there is not durable yet. */
struct str mailbox_extension_folder(struct arena *arena,
	const struct conf *conf, int base, struct str maildir,
	struct str extension, bool *is_made);

#endif
