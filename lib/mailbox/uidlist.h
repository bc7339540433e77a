/*
 * mailbox/uidlist - the files beside a Maildir that Dovecot knows too:
 * dovecot-uidlist, dovecot-keywords, subscriptions.
 *
 * uidlist   "3 V1275660208 N25022 G<32 hex digits>" then "UID FIELDS :name" a line; also
 *           version 1, "1 1275660208 25022" then "UID name"
 * keywords  "0 $Forwarded" a line; number 0 is the letter a
 * subscriptions  a name a line, or "V\t2" first and levels joined by tabs
 *
 * Memory   slices of the text, arrays in the arena
 * Waits    no
 * Errors   false: no such file; a malformed line is left out
 */
#ifndef MAILBOX_UIDLIST_H
#define MAILBOX_UIDLIST_H

#include "base/buf.h"

struct mailbox_uid {
	uint32_t uid;
	struct str key; /* of the entry, without flags */
};

struct mailbox_uidlist {
	uint32_t uidvalidity, uidnext;
	bool has_guid;
	unsigned char guid[16];
	struct mailbox_uid *items;
	size_t count;
};

must_check bool mailbox_uidlist_parse(struct arena *arena, struct str text,
	struct mailbox_uidlist *list);
void mailbox_uidlist_header_format(struct buf *out, uint32_t uidvalidity,
	uint32_t uidnext, const unsigned char guid[16]);
void mailbox_uidlist_line_format(struct buf *out, uint32_t uid,
	struct str key);

/* keywords[i] of letter i, NONE where none is; count: highest + 1. */
size_t mailbox_keywords_parse(struct str text, struct str *keywords,
	size_t most);
void mailbox_keywords_format(struct buf *out, const struct str *keywords,
	size_t count);

/* separator: of levels in version 1; "/" also: levels may have dots, which
 * are "/" in names (mailbox/layout.h). */
struct mailbox_subscriptions {
	struct str text; /* what is still to be read */
	char separator;
	bool is_version_2;
};

/* Take the next name. */
must_check bool mailbox_subscription_take(struct arena *arena,
	struct mailbox_subscriptions *in, struct str *name);
/* Write it as it stands in such a file. */
void mailbox_subscription_format(struct buf *out,
	const struct mailbox_subscriptions *as, struct str name);

#endif
